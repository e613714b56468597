/* How many requests each range of a container gets at once, found from how long replies take.
 *
 * All ranges of a container get the same number, whichever worker sends to them: they hold equal parts of the keys, so the
 * one with the fewest places would be what all others wait for, and more replies tell sooner and better how quick
 * the service is. It begins with WB_PACE_START and grows by a quarter each round, as long as a full request waited for a place
 * and replies come as quickly as in the quickest round: more places would only lengthen a queue after that, the
 * server's or this process's own, as in TCP Vegas (Brakmo and Peterson, 1995). Where they come clearly later, places go. What two
 * rounds may differ by as replies scatter does not count.
 * Every 10 s half of what was found is given up and found again, for all containers at the same moment, so that they learn
 * how quick a server is that they share.
 * Time is an argument. Thread-safe: every function but new and free.
 */
#ifndef WB_CONSUMER_PACE_H
#define WB_CONSUMER_PACE_H

#include <stdint.h>

/* The official SDKs begin with one. */
#define WB_PACE_START 2

struct wb_pace; /* opaque */
struct wb_paces; /* opaque: those of all containers */

struct wb_paces *wb_paces_new(void);
void wb_paces_free(struct wb_paces **all);
/* The container's, made when it is asked for first; lives as long as all do. */
struct wb_pace *wb_paces_of(struct wb_paces *all, const void *container);
/* Requests at once, for each range. */
unsigned wb_pace_places(const struct wb_pace *p);
/* A full request of a range waits only for a place that this gives. */
void wb_pace_press(struct wb_pace *p);
/* A full request was answered after took_ms; max: more places are of no use. */
void wb_pace_replied(struct wb_pace *p, int64_t took_ms, unsigned max, int64_t now_ms);

#endif
