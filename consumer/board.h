/* How the admin side looks at what other threads own: it puts a question on the board, they answer on their next turn,
 * each with a snapshot of its own.
 *
 * An owner that is not asked pays one load a turn. Who does not answer in time is passed over; a late answer is kept for
 * nobody. Thread-safe: ask and gather from one thread; the functions of an owner from that owner's thread alone.
 */
#ifndef WB_CONSUMER_BOARD_H
#define WB_CONSUMER_BOARD_H

#include "consumer/snapshot.h"

#define WB_BOARD_NAME_SIZE 16

struct wb_board; /* opaque */

/* An owner's place on the board. */
struct wb_board_place;

struct wb_board *wb_board_new(void);
/* All owners have left. */
void wb_board_free(struct wb_board **b);

/* name, for people: "poller", "worker-1"; cut to fit. wake(arg) makes the owner take a turn soon, from any thread; NULL: it
 * takes one soon anyway. board NULL gives NULL, which the functions below take: nobody ever asks. */
struct wb_board_place *wb_board_enter(struct wb_board *b, const char *name, void (*wake)(void *arg), void *arg);
/* wake is not called any more when it returns. */
void wb_board_leave(struct wb_board_place **p);
/* Whether the owner is to answer. */
bool wb_board_is_asked(struct wb_board_place *p);
/* Takes the snapshot over; *s is NULL after. */
void wb_board_answer(struct wb_board_place *p, struct wb_snapshot **s);

struct wb_board_answer {
	char name[WB_BOARD_NAME_SIZE];
	struct wb_snapshot *snapshot; /* NULL: it did not answer in time */
};

/* Asks all owners and waits up to timeout_ms for their answers. *ret, with *ret_count of them in the order in which they
 * entered, is for wb_board_answers_free. Ends at once when wb_board_close was called. */
void wb_board_ask(struct wb_board *b, int64_t timeout_ms, struct wb_board_answer **ret, size_t *ret_count);
void wb_board_answers_free(struct wb_board_answer **answers, size_t count);
/* Nobody asks any more: any thread. */
void wb_board_close(struct wb_board *b);

#endif
