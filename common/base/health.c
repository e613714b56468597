#include "common/base/health.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct condition {
	const char *name; /* a literal of the caller */
	bool ok;
	char why[201];
	int64_t since_ms; /* wall clock */
};

struct wb_health {
	pthread_mutex_t lock; /* guards all below */
	struct condition *conditions;
	size_t count;
};

struct wb_health *wb_health_new(void)
{
	struct wb_health *h = wb_xcalloc(1, sizeof *h);

	wb_mutex_init(&h->lock);
	return h;
}

void wb_health_free(struct wb_health **h)
{
	if (!*h)
		return;
	wb_mutex_release(&(*h)->lock);
	free((*h)->conditions);
	free(*h);
	*h = NULL;
}

/* Finds the condition or adds it; the lock is held. Names are literals, so there are only a handful. */
static struct condition *condition_of(struct wb_health *h, const char *name, bool *ret_new)
{
	for (size_t i = 0; i < h->count; i++) {
		if (strcmp(h->conditions[i].name, name) == 0) {
			*ret_new = false;
			return &h->conditions[i];
		}
	}
	h->conditions = wb_xrealloc(h->conditions, (h->count + 1) * sizeof *h->conditions);
	h->conditions[h->count] = (struct condition){ .name = name };
	*ret_new = true;
	return &h->conditions[h->count++];
}

void wb_health_set(struct wb_health *h, const char *name, bool ok, const char *why)
{
	struct condition *c;
	bool is_new;

	wb_mutex_lock(&h->lock);
	c = condition_of(h, name, &is_new);
	if (is_new || c->ok != ok)
		c->since_ms = wb_clock_wall_ms();
	c->ok = ok;
	(void)snprintf(c->why, sizeof c->why, "%s", why && !ok ? why : ""); /* cutting is meant */
	wb_mutex_unlock(&h->lock);
}

static bool all_ok(const struct wb_health *h)
{
	for (size_t i = 0; i < h->count; i++) {
		if (!h->conditions[i].ok)
			return false;
	}
	return true;
}

bool wb_health_ready(struct wb_health *h)
{
	bool ready;

	wb_mutex_lock(&h->lock);
	ready = all_ok(h);
	wb_mutex_unlock(&h->lock);
	return ready;
}

bool wb_health_ok(struct wb_health *h, const char *name)
{
	bool ok = true;

	wb_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->count; i++) {
		if (strcmp(h->conditions[i].name, name) == 0)
			ok = h->conditions[i].ok;
	}
	wb_mutex_unlock(&h->lock);
	return ok;
}

static void render_condition(const struct condition *c, struct wb_buf *ret)
{
	char since[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(c->since_ms, since);
	wb_buf_append_cstr(ret, "{\"name\":");
	wb_buf_append_json_string(ret, wb_slice_cstr(c->name));
	wb_buf_appendf(ret, ",\"ok\":%s", c->ok ? "true" : "false");
	if (!c->ok) {
		wb_buf_append_cstr(ret, ",\"why\":");
		wb_buf_append_json_string(ret, wb_slice_cstr(c->why));
	}
	wb_buf_appendf(ret, ",\"since\":\"%s\"}", since);
}

void wb_health_render(struct wb_health *h, struct wb_buf *ret)
{
	wb_mutex_lock(&h->lock);
	wb_buf_appendf(ret, "{\"ready\":%s,\"conditions\":[", all_ok(h) ? "true" : "false");
	for (size_t i = 0; i < h->count; i++) {
		if (i > 0)
			wb_buf_append_char(ret, ',');
		render_condition(&h->conditions[i], ret);
	}
	wb_buf_append_cstr(ret, "]}");
	wb_mutex_unlock(&h->lock);
}
