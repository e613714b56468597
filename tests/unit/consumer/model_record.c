#include "model.h"

#include "common/base/mem.h"

#include <stdlib.h>

/* Judged writes on their way: their results record is made, then acknowledged. */
struct model_recording {
	struct model_recording *next;
	struct model_consumer *consumer; /* NULL: it is no more */
	struct wb_list writes;
};

struct model_delivery *model_delivery_of(const struct wb_write *w)
{
	return w->owner;
}

void model_dispose(struct model_world *world, struct wb_write *w)
{
	struct model_delivery *d = model_delivery_of(w);
	struct model_assignment *a = d->assignment;

	wb_write_let_go_original(w, &world->originals);
	wb_write_free(&w);
	free(d);
	a->out--;
	if (a->draining && !a->dropped && a->out == 0 && !world->over)
		model_assignment_drained(world, a);
}

/* The first outcome in the order of the results topic counts. */
static void note_outcome(struct model_world *world, const struct wb_write *w)
{
	struct model_record *r = &world->record[model_delivery_of(w)->record];

	if (r->ended)
		return;
	r->ended = true;
	r->outcome = w->outcome;
	r->reason = w->reason;
	world->superseded += w->outcome == WB_SUPERSEDED;
	world->dead += w->outcome == WB_DEAD;
}

static void forget(struct model_recording *recording)
{
	struct model_recording **at = &recording->consumer->recordings;

	while (*at != recording)
		at = &(*at)->next;
	*at = recording->next;
	free(recording);
}

static void acknowledged(struct model_world *world, void *arg)
{
	struct model_recording *recording = arg;
	struct wb_write *w;

	if (world->over || !recording->consumer) {
		free(recording);
		return;
	}
	while ((w = wb_write_of(wb_list_pop(&recording->writes)))) {
		struct model_assignment *a = model_delivery_of(w)->assignment;

		wb_write_advance(w, WB_WRITE_FINISHED);
		note_outcome(world, w);
		MODEL_CHECK(world, wb_offsets_finished(a->offsets, w->offset), "finished: offset %lld twice",
			(long long)w->offset);
		model_dispose(world, w);
	}
	forget(recording);
}

static void recorded(struct model_world *world, void *arg)
{
	struct model_recording *recording = arg;

	if (world->over || !recording->consumer) {
		free(recording);
		return;
	}
	for (struct wb_link *link = recording->writes.head; link; link = link->next)
		wb_write_advance(wb_write_of(link), WB_WRITE_RECORDED);
	model_at(world, (int64_t)model_random(world, (uint64_t)world->plan.record_ms), recording->consumer,
		acknowledged, recording);
}

void model_recorder_take(struct model_consumer *c, struct wb_list *judged)
{
	struct model_recording *recording = wb_xcalloc(1, sizeof *recording);

	recording->consumer = c;
	recording->next = c->recordings;
	c->recordings = recording;
	wb_list_append(&recording->writes, judged);
	model_at(c->world, (int64_t)model_random(c->world, (uint64_t)c->world->plan.record_ms), c, recorded, recording);
}

size_t model_recorder_count(const struct model_consumer *c, const struct model_assignment *a)
{
	size_t count = 0;

	for (const struct model_recording *recording = c->recordings; recording; recording = recording->next) {
		for (struct wb_link *link = recording->writes.head; link; link = link->next)
			count += model_delivery_of(wb_write_of(link))->assignment == a;
	}
	return count;
}

void model_recorder_drop(struct model_world *world, struct model_consumer *c)
{
	while (c->recordings) {
		struct model_recording *recording = c->recordings;
		bool arrived = model_chance(world, 500);
		struct wb_write *w;

		c->recordings = recording->next;
		recording->consumer = NULL;
		while ((w = wb_write_of(wb_list_pop(&recording->writes)))) {
			/* On its way to Kafka, the record may have got through. */
			if (w->state == WB_WRITE_RECORDED && arrived)
				note_outcome(world, w);
			model_dispose(world, w);
		}
	}
}
