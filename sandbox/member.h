/* Finding a value inside JSON text, and where it stands in it, without a tree.
 *
 * For what looks into few documents: patches, conditions, unique keys, a document's ttl. The text was scanned before
 * (json_scan.h); what is no JSON is as if nothing were there. Of members with one name the first counts.
 * Pure, thread-safe.
 */
#ifndef WB_SANDBOX_MEMBER_H
#define WB_SANDBOX_MEMBER_H

#include "common/base/json_scan.h"

/* Pointers look into the container's text. */
struct wb_member {
	enum wb_json_type container;  /* OBJECT, ARRAY, or ABSENT for any other value */
	size_t count;                 /* of all its members */
	struct wb_json_value value;   /* ABSENT when there is no such member */
	const char *begin;            /* its name, or in an array its value; NULL when absent */
	const char *previous_end;     /* behind the member before it; NULL when it is the first */
	const char *next;             /* where the member after it begins; NULL when it is the last */
	const char *close;            /* the container's last bracket */
};

/* name: decoded; in an array an index in decimal. */
void wb_member_find(struct wb_slice container, struct wb_slice name, struct wb_member *ret);
/* An array index as JSON pointers have it: digits, no needless zero. */
bool wb_member_index(struct wb_slice text, size_t *ret);
/* The value at the end of a path of names; ABSENT when a part of it is missing. */
struct wb_json_value wb_member_at(struct wb_slice document, const struct wb_slice *names, unsigned count);

#endif
