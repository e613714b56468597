/* An intrusive singly linked list: a first-in first-out chain of objects that carry their own link.
 *
 * An object stands in at most one list at a time; the list owns nothing and allocates nothing.
 * Not thread-safe: one owner. wb_handover carries lists between threads.
 */
#ifndef WB_COMMON_BASE_LIST_H
#define WB_COMMON_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct wb_link {
	struct wb_link *next;
};

struct wb_list {
	struct wb_link *head;
	struct wb_link *tail;
	size_t count;
};

/* The object that holds this link as its member. */
#define WB_CONTAINER_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void wb_list_push(struct wb_list *l, struct wb_link *link)
{
	link->next = NULL;
	if (l->tail)
		l->tail->next = link;
	else
		l->head = link;
	l->tail = link;
	l->count++;
}

static inline void wb_list_push_front(struct wb_list *l, struct wb_link *link)
{
	link->next = l->head;
	l->head = link;
	if (!l->tail)
		l->tail = link;
	l->count++;
}

/* The oldest, or NULL. */
static inline struct wb_link *wb_list_pop(struct wb_list *l)
{
	struct wb_link *link = l->head;

	if (!link)
		return NULL;
	l->head = link->next;
	if (l->head)
		__builtin_prefetch(l->head); /* mostly the next to be popped, and cold: another thread had it last */
	else
		l->tail = NULL;
	l->count--;
	link->next = NULL;
	return link;
}

/* Moves all of from to the end of l; from is empty after. */
static inline void wb_list_append(struct wb_list *l, struct wb_list *from)
{
	if (!from->head)
		return;
	if (l->tail)
		l->tail->next = from->head;
	else
		l->head = from->head;
	l->tail = from->tail;
	l->count += from->count;
	*from = (struct wb_list){ 0 };
}

#endif
