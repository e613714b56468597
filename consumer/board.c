#include "consumer/board.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct wb_board_place {
	struct wb_board *board;
	struct wb_board_place *next;
	char name[WB_BOARD_NAME_SIZE];
	void (*wake)(void *arg);
	void *arg;
	uint64_t heard; /* the owner's own: the last question that it answered */

	/* Under the board's lock: */
	uint64_t answered;
	struct wb_snapshot *answer;
};

struct wb_board {
	_Atomic uint64_t question; /* how often was asked; written under lock, read by owners without */
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct wb_board_place *first;
	bool closed;
};

struct wb_board *wb_board_new(void)
{
	struct wb_board *b = wb_xcalloc(1, sizeof *b);

	atomic_init(&b->question, 0);
	wb_mutex_init(&b->lock);
	wb_cond_init(&b->answered);
	return b;
}

void wb_board_free(struct wb_board **b)
{
	if (!*b)
		return;
	wb_cond_release(&(*b)->answered);
	wb_mutex_release(&(*b)->lock);
	free(*b);
	*b = NULL;
}

struct wb_board_place *wb_board_enter(struct wb_board *b, const char *name, void (*wake)(void *arg), void *arg)
{
	struct wb_board_place *p, **at;

	if (!b)
		return NULL;
	p = wb_xcalloc(1, sizeof *p);
	p->board = b;
	p->wake = wake;
	p->arg = arg;
	(void)snprintf(p->name, sizeof p->name, "%s", name); /* cutting is meant */
	wb_mutex_lock(&b->lock);
	p->heard = p->answered = atomic_load(&b->question);
	for (at = &b->first; *at;)
		at = &(*at)->next;
	*at = p;
	wb_mutex_unlock(&b->lock);
	return p;
}

void wb_board_leave(struct wb_board_place **place)
{
	struct wb_board_place *p = *place, **at;

	if (!p)
		return;
	wb_mutex_lock(&p->board->lock);
	for (at = &p->board->first; *at != p;)
		at = &(*at)->next;
	*at = p->next;
	wb_cond_broadcast(&p->board->answered);
	wb_mutex_unlock(&p->board->lock);
	wb_snapshot_free(&p->answer);
	free(p);
	*place = NULL;
}

bool wb_board_is_asked(struct wb_board_place *p)
{
	return p && atomic_load_explicit(&p->board->question, memory_order_acquire) != p->heard;
}

void wb_board_answer(struct wb_board_place *p, struct wb_snapshot **s)
{
	wb_mutex_lock(&p->board->lock);
	p->heard = p->answered = atomic_load(&p->board->question);
	wb_snapshot_free(&p->answer);
	p->answer = *s;
	*s = NULL;
	wb_cond_broadcast(&p->board->answered);
	wb_mutex_unlock(&p->board->lock);
}

/* The lock is held. */
static bool all_answered(const struct wb_board *b)
{
	for (const struct wb_board_place *p = b->first; p; p = p->next) {
		if (p->answered != atomic_load(&b->question))
			return false;
	}
	return true;
}

/* The lock is held. Takes what there is. */
static struct wb_board_answer *take(struct wb_board *b, size_t *ret_count)
{
	struct wb_board_answer *answers;
	size_t count = 0;

	for (const struct wb_board_place *p = b->first; p; p = p->next)
		count++;
	answers = wb_xcalloc(count, sizeof *answers);
	*ret_count = count;
	count = 0;
	for (struct wb_board_place *p = b->first; p; p = p->next) {
		struct wb_board_answer *to = &answers[count++];

		memcpy(to->name, p->name, sizeof to->name);
		/* An answer to an earlier question tells of another moment. */
		if (p->answered == atomic_load(&b->question)) {
			to->snapshot = p->answer;
			p->answer = NULL;
		} else {
			wb_snapshot_free(&p->answer);
		}
	}
	return answers;
}

void wb_board_ask(struct wb_board *b, int64_t timeout_ms, struct wb_board_answer **ret, size_t *ret_count)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;

	wb_mutex_lock(&b->lock);
	atomic_fetch_add(&b->question, 1);
	for (const struct wb_board_place *p = b->first; p; p = p->next) {
		if (p->wake)
			p->wake(p->arg);
	}
	while (!b->closed && !all_answered(b) && wb_cond_wait_until(&b->answered, &b->lock, deadline_ms))
		continue;
	*ret = take(b, ret_count);
	wb_mutex_unlock(&b->lock);
}

void wb_board_answers_free(struct wb_board_answer **answers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		wb_snapshot_free(&(*answers)[i].snapshot);
	free(*answers);
	*answers = NULL;
}

void wb_board_close(struct wb_board *b)
{
	wb_mutex_lock(&b->lock);
	b->closed = true;
	wb_cond_broadcast(&b->answered);
	wb_mutex_unlock(&b->lock);
}
