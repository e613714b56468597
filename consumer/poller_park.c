#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct wb_target *wb_poller_target(struct wb_poller *p, struct wb_slice database, struct wb_slice name)
{
	struct wb_target *t = p->last_target;

	if (t && wb_slice_eq_cstr(name, t->name) && wb_slice_eq_cstr(database, t->database))
		return t;
	for (t = p->targets; t; t = t->next) {
		if (wb_slice_eq_cstr(name, t->name) && wb_slice_eq_cstr(database, t->database))
			break;
	}
	if (!t) {
		t = wb_xcalloc(1, sizeof *t);
		t->database = wb_xmemdup(database.data, database.len);
		t->name = wb_xmemdup(name.data, name.len);
		t->container = wb_metadata_container(p->metadata, database, name);
		t->next = p->targets;
		p->targets = t;
	}
	p->last_target = t;
	return t;
}

void wb_poller_free_targets(struct wb_poller *p)
{
	while (p->targets) {
		struct wb_target *t = p->targets;

		p->targets = t->next;
		free(t->database);
		free(t->name);
		free(t);
	}
}

static bool is_dead(const struct wb_poller *p, enum wb_container_state state)
{
	return state == WB_CONTAINER_MISSING && p->settings.options->cosmos.missing_is_dead;
}

enum wb_way wb_poller_way(const struct wb_poller *p, const struct wb_target *t)
{
	enum wb_container_state state = wb_container_state(t->container);

	/* Behind writes that still wait it waits too, so that the order stays. */
	if (t->parked.head || t->returned.head)
		return WB_WAY_PARK;
	return state == WB_CONTAINER_KNOWN ? WB_WAY_SEND : is_dead(p, state) ? WB_WAY_BURY : WB_WAY_PARK;
}

void wb_poller_park(struct wb_target *t, struct wb_write *w)
{
	wb_list_push(&t->parked, &w->link);
}

void wb_poller_enter_target(struct wb_target *t, struct wb_write *w)
{
	w->container = t->container;
	t->out++;
}

struct wb_target *wb_poller_leave_target(struct wb_poller *p, struct wb_write *w)
{
	struct wb_target *t = p->last_target;

	if (!t || t->container != w->container) {
		for (t = p->targets; t && t->container != w->container;)
			t = t->next;
	}
	assert(t && t->out > 0); /* it changes its container only when none of the old one's are out */
	t->out--;
	w->container = NULL;
	return t;
}

/* What was found out about it for a container that is another one by now. What the original holds stays. */
static void forget(struct wb_write *w)
{
	const struct wb_slice none = { NULL, 0 };

	wb_write_release_storage(w);
	wb_write_forget_failure(w);
	w->id = w->pk_text = w->epk = w->if_match = w->if_none_match = w->document = none;
	w->conditional = false;
	w->range = NULL;
	w->item_hash = 0;
	w->step = WB_STEP_SEND;
	w->reason = WB_REASON_NONE;
	w->retries = 0;
	w->not_before_ms = w->failed_ms = w->retry_wait_ms = 0;
	w->alone = w->compare = w->unique_key_retried = false;
}

void wb_poller_bury_missing(struct wb_poller *p, struct wb_write *w)
{
	struct wb_error why = { "the container does not exist" };

	wb_poller_bury(p, w, WB_REASON_UNKNOWN_CONTAINER, &why);
	memcpy(w->failure->item_etag, "absent", sizeof "absent");
}

void wb_poller_take_handed_back(struct wb_poller *p, struct wb_write *w)
{
	bool dead = is_dead(p, wb_container_state(w->container));
	struct wb_target *t = wb_poller_leave_target(p, w);

	if (p->draining || atomic_load(&w->assignment->ended)) {
		wb_write_advance(w, WB_WRITE_FINISHED);
		wb_counter_add(p->metrics.handed_back, 1);
		wb_poller_drop(p, w);
	} else if (dead) {
		wb_poller_bury_missing(p, w);
	} else {
		forget(w);
		wb_list_push(&t->returned, &w->link);
	}
}

static int by_log_order(const void *a, const void *b)
{
	const struct wb_write *x = *(struct wb_write *const *)a, *y = *(struct wb_write *const *)b;

	if (x->assignment != y->assignment)
		return x->assignment < y->assignment ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* All of them have come back, from several workers: in the order of the log, in front of what was read since. */
static void gather_returned(struct wb_target *t)
{
	size_t count = t->returned.count;
	struct wb_write **sorted = wb_xmalloc((count + 1) * sizeof(struct wb_write *));
	struct wb_list all = { 0 };

	for (size_t i = 0; i < count; i++)
		sorted[i] = wb_write_of(wb_list_pop(&t->returned));
	qsort(sorted, count, sizeof(struct wb_write *), by_log_order);
	for (size_t i = 0; i < count; i++)
		wb_list_push(&all, &sorted[i]->link);
	free(sorted);
	wb_list_append(&all, &t->parked);
	t->parked = all;
}

static bool unpark_target(struct wb_poller *p, struct wb_target *t)
{
	enum wb_container_state state = wb_container_state(t->container);
	struct wb_list parked;
	struct wb_write *w;

	if (t->returned.head || state == WB_CONTAINER_STALE) {
		if (t->out > 0)
			return false;
		gather_returned(t);
		if (state == WB_CONTAINER_STALE)
			t->container = wb_metadata_container(
				p->metadata, wb_slice_cstr(t->database), wb_slice_cstr(t->name));
		state = wb_container_state(t->container);
	}
	if (!t->parked.head || (state != WB_CONTAINER_KNOWN && !is_dead(p, state)))
		return false;
	parked = t->parked;
	t->parked = (struct wb_list){ 0 };
	while ((w = wb_write_of(wb_list_pop(&parked))))
		wb_poller_decode(p, w);
	return true;
}

bool wb_poller_unpark(struct wb_poller *p)
{
	bool any = false;

	for (struct wb_target *t = p->targets; t; t = t->next)
		any = unpark_target(p, t) || any;
	return any;
}

static void sweep(struct wb_poller *p, struct wb_list *list, bool all)
{
	struct wb_list left = *list;
	struct wb_write *w;

	*list = (struct wb_list){ 0 };
	while ((w = wb_write_of(wb_list_pop(&left)))) {
		if (all || atomic_load(&w->assignment->ended)) {
			wb_write_advance(w, WB_WRITE_FINISHED);
			wb_poller_drop(p, w);
		} else {
			wb_list_push(list, &w->link);
		}
	}
}

void wb_poller_sweep_parked(struct wb_poller *p, bool all)
{
	for (struct wb_target *t = p->targets; t; t = t->next) {
		sweep(p, &t->returned, all);
		sweep(p, &t->parked, all);
	}
}
