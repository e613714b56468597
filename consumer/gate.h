/* Whether this process may send to Cosmos DB: a process that was away for long, or to which the group says nothing, may have
 * lost its partitions without having heard of it, so it proves its membership by a commit first (promise 4).
 *
 * Whoever finds that time has jumped, or that the group's last word is too old, shuts the gate; the poller commits positions and opens it once the group has taken
 * them, or once it has heard what was lost. Thread-safe: every function but init.
 */
#ifndef WB_CONSUMER_GATE_H
#define WB_CONSUMER_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wb_gate {
	_Atomic uint64_t shut; /* how often it was shut */
	_Atomic uint64_t proven; /* up to which of those membership is proven */
	void (*wake)(void *arg); /* tells the poller that it was shut; any thread */
	void *arg;
};

static inline void wb_gate_init(struct wb_gate *g, void (*wake)(void *arg), void *arg)
{
	atomic_init(&g->shut, 0);
	atomic_init(&g->proven, 0);
	g->wake = wake;
	g->arg = arg;
}

static inline bool wb_gate_is_open(struct wb_gate *g)
{
	return atomic_load(&g->proven) == atomic_load(&g->shut);
}

static inline void wb_gate_shut(struct wb_gate *g)
{
	atomic_fetch_add(&g->shut, 1);
	g->wake(g->arg);
}

/* What a proof that begins now is good for: give it to wb_gate_prove when it has succeeded. */
static inline uint64_t wb_gate_ticket(struct wb_gate *g)
{
	return atomic_load(&g->shut);
}

/* Membership was proven after the ticket was drawn. A gate that was shut again meanwhile stays so. */
static inline void wb_gate_prove(struct wb_gate *g, uint64_t ticket)
{
	atomic_store(&g->proven, ticket);
}

#endif
