#include "consumer/metadata.h"

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/prng.h"
#include "common/base/thread.h"
#include "common/base/crypto.h"
#include "consumer/metadata_load.h"
#include "consumer/path.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS         2
#define BACKOFF_BASE_MS     100
#define BACKOFF_CAP_MS      5000
#define COMPLAIN_MS         60000
#define PROBES_MAX          3
#define REFRESH_INTERVAL_MS 100

/* One reading of the ranges. Older ones are kept: a range lives as long as the metadata. */
struct routes {
	struct wb_range_map *map;
	struct wb_range **ranges; /* as the map's entries */
	struct routes *older;
};

struct wb_container {
	struct wb_container *next;
	char *database, *name;
	char *link, *container_path, *docs_path, *ranges_path;

	_Atomic bool known; /* the definition, bulk and the first routes are there, and stay */
	_Atomic(struct routes *) routes;
	struct wb_pk_definition definition;
	bool bulk;

	_Atomic bool wanted;     /* a load or refresh is asked for and not begun */
	/* The metadata thread's own. */
	struct wb_backoff backoff;
	int64_t due_ms;
	unsigned probes;
	int64_t complained_ms;
	char complaint[256];
};

struct wb_metadata {
	const struct wb_cosmos_options *options;
	unsigned workers;
	void (*on_ready)(void *arg);
	void *arg;
	struct wb_health *health;
	struct wb_log *log;
	struct wb_transport *transport;
	struct wb_prng random;
	unsigned next_worker; /* the thread's own */
	atomic_bool stop;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct wb_container *containers; /* under lock; grows at its head only */
};

static char *path_of(const struct wb_container *c, const char *suffix)
{
	struct wb_buf path;
	size_t len;

	wb_buf_init(&path, 8192);
	wb_buf_append_cstr(&path, "/dbs/");
	wb_path_append(&path, wb_slice_cstr(c->database));
	wb_buf_append_cstr(&path, "/colls/");
	wb_path_append(&path, wb_slice_cstr(c->name));
	wb_buf_append_cstr(&path, suffix);
	return wb_buf_take(&path, &len);
}

static struct wb_container *container_new(struct wb_slice database, struct wb_slice name)
{
	struct wb_container *c = wb_xcalloc(1, sizeof *c);
	struct wb_buf link;
	size_t len;

	c->database = wb_xmemdup(database.data, database.len);
	c->name = wb_xmemdup(name.data, name.len);
	wb_buf_init(&link, 4096);
	wb_buf_appendf(&link, "dbs/%s/colls/%s", c->database, c->name);
	c->link = wb_buf_take(&link, &len);
	c->container_path = path_of(c, "");
	c->docs_path = path_of(c, "/docs");
	c->ranges_path = path_of(c, "/pkranges");
	c->backoff = wb_backoff_make(BACKOFF_BASE_MS, BACKOFF_CAP_MS);
	atomic_init(&c->wanted, true);
	return c;
}

static const struct wb_range *range_by_id(const struct routes *routes, const char *id)
{
	for (size_t i = 0; routes && i < wb_range_map_count(routes->map); i++) {
		if (strcmp(routes->ranges[i]->id, id) == 0)
			return routes->ranges[i];
	}
	return NULL;
}

static void free_routes(struct routes *newest)
{
	while (newest) {
		struct routes *older = newest->older;

		for (size_t i = 0; i < wb_range_map_count(newest->map); i++) {
			if (!range_by_id(older, newest->ranges[i]->id))
				free(newest->ranges[i]);
		}
		free(newest->ranges);
		wb_range_map_free(&newest->map);
		free(newest);
		newest = older;
	}
}

static void container_free(struct wb_container *c)
{
	free_routes(atomic_load(&c->routes));
	wb_json_paths_release(&c->definition.paths);
	free(c->database);
	free(c->name);
	free(c->link);
	free(c->container_path);
	free(c->docs_path);
	free(c->ranges_path);
	free(c);
}

static struct wb_range *range_new(struct wb_metadata *m, const struct wb_container *c, const struct routes *before,
	const struct wb_range_entry *entry)
{
	struct wb_range *range = wb_xcalloc(1, sizeof *range);

	range->container = c;
	memcpy(range->id, entry->id, sizeof range->id);
	range->worker = before ? before->ranges[wb_range_map_find(before->map, &entry->min)]->worker
			       : m->next_worker++ % m->workers;
	return range;
}

static void publish_routes(struct wb_metadata *m, struct wb_container *c, struct wb_range_map *map)
{
	struct routes *before = atomic_load(&c->routes);
	struct routes *now = wb_xcalloc(1, sizeof *now);
	size_t count = wb_range_map_count(map);

	now->map = map;
	now->older = before;
	now->ranges = wb_xcalloc(count, sizeof(struct wb_range *));
	for (size_t i = 0; i < count; i++) {
		const struct wb_range_entry *entry = wb_range_map_at(map, i);
		const struct wb_range *same = range_by_id(before, entry->id);

		now->ranges[i] = same ? (struct wb_range *)same : range_new(m, c, before, entry);
	}
	atomic_store(&c->routes, now);
}

/* Whether a new reading says the same as the last one: then nothing is kept of it. */
static bool same_routes(const struct routes *before, const struct wb_range_map *map)
{
	size_t count = wb_range_map_count(map);

	if (!before || wb_range_map_count(before->map) != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(before->ranges[i]->id, wb_range_map_at(map, i)->id) != 0)
			return false;
	}
	return true;
}

static struct wb_metadata_source source_of(const struct wb_metadata *m, const struct wb_container *c)
{
	return (struct wb_metadata_source){ .transport = m->transport,
		.stop = &m->stop,
		.link = c->link,
		.container_path = c->container_path,
		.docs_path = c->docs_path,
		.ranges_path = c->ranges_path };
}

static enum wb_err refresh(struct wb_metadata *m, struct wb_container *c, struct wb_error *e)
{
	struct wb_metadata_source source = source_of(m, c);
	struct wb_range_map *map = NULL;
	enum wb_err err = wb_metadata_load_ranges(&source, &map, e);

	if (err != WB_OK)
		return err;
	if (same_routes(atomic_load(&c->routes), map)) {
		wb_range_map_free(&map);
		return WB_OK;
	}
	wb_log_info(m->log, "partition key ranges changed", WB_STR("container", c->link),
		WB_INT("ranges", wb_range_map_count(map)));
	publish_routes(m, c, map);
	return WB_OK;
}

static enum wb_err load(struct wb_metadata *m, struct wb_container *c, struct wb_error *e)
{
	struct wb_metadata_source source = source_of(m, c);
	struct wb_pk_definition definition = { .kind = WB_PK_HASH_V2 };
	struct wb_range_map *map = NULL;
	bool bulk = false;
	enum wb_err err = wb_metadata_load_definition(&source, &definition, e);

	if (err == WB_OK)
		err = wb_metadata_load_ranges(&source, &map, e);
	if (err == WB_OK) {
		err = wb_metadata_probe_bulk(&source, &definition, map, &bulk, e);
		if (err == WB_EUNSUPPORTED)
			err = ++c->probes < PROBES_MAX ? WB_EIO : WB_OK;
	}
	if (err != WB_OK) {
		wb_json_paths_release(&definition.paths);
		wb_range_map_free(&map);
		return err;
	}
	c->definition = definition;
	c->bulk = bulk;
	wb_log_info(m->log, "container known", WB_STR("container", c->link), WB_INT("ranges", wb_range_map_count(map)),
		WB_BOOL("bulk", bulk));
	publish_routes(m, c, map);
	atomic_store(&c->known, true);
	return WB_OK;
}

static void complain(struct wb_metadata *m, struct wb_container *c, const char *why)
{
	char text[640];
	int64_t now_ms = wb_clock_mono_ms();

	(void)snprintf(text, sizeof text, "%s: %s", c->link, why); /* cutting is meant */
	wb_health_set(m->health, "containers", false, text);
	if (strncmp(c->complaint, why, sizeof c->complaint - 1) == 0 && now_ms - c->complained_ms < COMPLAIN_MS)
		return;
	(void)snprintf(c->complaint, sizeof c->complaint, "%s", why);
	c->complained_ms = now_ms;
	wb_log_warn(m->log, "container cannot be read yet; its writes wait", WB_STR("container", c->link),
		WB_STR("why", why));
}

static void all_known(struct wb_metadata *m)
{
	const struct wb_container *c;

	wb_mutex_lock(&m->lock);
	for (c = m->containers; c && atomic_load(&c->known); c = c->next)
		;
	wb_mutex_unlock(&m->lock);
	if (!c)
		wb_health_set(m->health, "containers", true, "");
}

static void attempt(struct wb_metadata *m, struct wb_container *c)
{
	struct wb_error why = { "" };
	bool known = atomic_load(&c->known);
	enum wb_err err;

	atomic_store(&c->wanted, false);
	err = known ? refresh(m, c, &why) : load(m, c, &why);
	if (err == WB_OK) {
		wb_backoff_reset(&c->backoff);
		c->due_ms = wb_clock_mono_ms() + REFRESH_INTERVAL_MS;
		c->complaint[0] = '\0';
		all_known(m);
		if (!known)
			m->on_ready(m->arg);
	} else if (err != WB_ECLOSED) {
		c->due_ms = wb_clock_mono_ms() + wb_backoff_next_ms(&c->backoff, wb_prng_next(&m->random), 0);
		atomic_store(&c->wanted, true);
		complain(m, c, why.text);
	}
}

/* The container that is wanted and due first; *ret_due_ms when. */
static struct wb_container *next_wanted(struct wb_metadata *m, int64_t *ret_due_ms)
{
	struct wb_container *first = NULL;

	for (struct wb_container *c = m->containers; c; c = c->next) {
		if (atomic_load(&c->wanted) && (!first || c->due_ms < first->due_ms))
			first = c;
	}
	*ret_due_ms = first ? first->due_ms : INT64_MAX;
	return first;
}

static void *metadata_loop(void *arg)
{
	struct wb_metadata *m = arg;

	wb_mutex_lock(&m->lock);
	while (!atomic_load(&m->stop)) {
		int64_t due_ms;
		struct wb_container *c = next_wanted(m, &due_ms);

		if (!c) {
			wb_cond_wait(&m->changed, &m->lock);
		} else if (due_ms > wb_clock_mono_ms()) {
			(void)wb_cond_wait_until(&m->changed, &m->lock, due_ms); /* it looks again in any case */
		} else {
			wb_mutex_unlock(&m->lock);
			attempt(m, c);
			wb_mutex_lock(&m->lock);
		}
	}
	wb_mutex_unlock(&m->lock);
	return NULL;
}

struct wb_metadata *wb_metadata_new(const struct wb_cosmos_options *options, unsigned workers,
	void (*on_ready)(void *arg), void *arg, struct wb_health *health, struct wb_log *log, struct wb_error *e)
{
	struct wb_metadata *m = wb_xcalloc(1, sizeof *m);

	m->transport = wb_transport_new(options, CONNECTIONS, e);
	if (!m->transport) {
		free(m);
		return NULL;
	}
	m->options = options;
	m->workers = workers;
	m->on_ready = on_ready;
	m->arg = arg;
	m->health = health;
	m->log = log;
	wb_crypto_random(&m->random.state, sizeof m->random.state);
	wb_mutex_init(&m->lock);
	wb_cond_init(&m->changed);
	atomic_init(&m->stop, false);
	m->thread = wb_thread_start("metadata", metadata_loop, m);
	return m;
}

void wb_metadata_free(struct wb_metadata **m)
{
	struct wb_metadata *old = *m;

	if (!old)
		return;
	wb_mutex_lock(&old->lock);
	atomic_store(&old->stop, true);
	wb_cond_broadcast(&old->changed);
	wb_mutex_unlock(&old->lock);
	wb_transport_wake(old->transport);
	wb_thread_join(old->thread);
	wb_transport_free(&old->transport);
	while (old->containers) {
		struct wb_container *c = old->containers;

		old->containers = c->next;
		container_free(c);
	}
	wb_cond_release(&old->changed);
	wb_mutex_release(&old->lock);
	free(old);
	*m = NULL;
}

struct wb_container *wb_metadata_container(struct wb_metadata *m, struct wb_slice database, struct wb_slice name)
{
	struct wb_container *c;

	wb_mutex_lock(&m->lock);
	for (c = m->containers; c; c = c->next) {
		if (wb_slice_eq_cstr(name, c->name) && wb_slice_eq_cstr(database, c->database))
			break;
	}
	if (!c) {
		c = container_new(database, name);
		c->next = m->containers;
		m->containers = c;
		wb_health_set(m->health, "containers", false, "a container is being read");
		wb_cond_signal(&m->changed);
	}
	wb_mutex_unlock(&m->lock);
	return c;
}

bool wb_container_known(const struct wb_container *c)
{
	return atomic_load(&c->known);
}

const struct wb_pk_definition *wb_container_definition(const struct wb_container *c)
{
	return &c->definition;
}

struct wb_range *wb_container_route(struct wb_container *c, const struct wb_epk *epk)
{
	const struct routes *routes = atomic_load_explicit(&c->routes, memory_order_acquire);

	return routes->ranges[wb_range_map_find(routes->map, epk)];
}

bool wb_container_bulk(const struct wb_container *c)
{
	return c->bulk;
}

struct wb_slice wb_container_link(const struct wb_container *c)
{
	return wb_slice_cstr(c->link);
}

const char *wb_container_docs_path(const struct wb_container *c)
{
	return c->docs_path;
}

void wb_metadata_refresh(struct wb_metadata *m, const struct wb_container *c)
{
	/* Callers see containers read-only; what is asked of them is ours. */
	struct wb_container *mutable = (struct wb_container *)c;

	if (atomic_exchange(&mutable->wanted, true))
		return;
	wb_mutex_lock(&m->lock);
	wb_cond_signal(&m->changed);
	wb_mutex_unlock(&m->lock);
}
