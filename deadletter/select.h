/* Which letters a command is about: the filters of its options, as questions for the index and for documents.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_SELECT_H
#define WB_DEADLETTER_SELECT_H

#include "common/base/json_scan.h"
#include "deadletter/catalogue.h"

#define WB_CURSOR_SIZE 64

struct wb_selection {
	struct wb_index_filter filter;
	struct wb_json_paths where;   /* of --where PATH=VALUE; count 0: any document */
	struct wb_slice where_value;
	struct wb_buf scratch;
};

/* A letter that was chosen: its row, and its record where one was asked for (else NULL). False ends it. */
typedef bool (*wb_selected_fn)(void *arg, const struct wb_index_letter *row, const struct wb_letter *letter);

/* From config, whose strings stay in use. */
enum wb_err wb_selection_init(
	struct wb_selection *s, const struct wb_deadletter_config *config, struct wb_error *e) WB_MUST_USE;
void wb_selection_release(struct wb_selection *s);
/* Up to max letters. Rows come the newest first where records are not asked for; with records, those of each
 * WB_SELECT_CHUNK rows come in Kafka's order. */
enum wb_err wb_selection_each(struct wb_selection *s, struct wb_catalogue *catalogue, bool records, uint64_t max,
	wb_selected_fn fn, void *arg, struct wb_error *e) WB_MUST_USE;
#define WB_SELECT_CHUNK 1000

/* The place in the list behind this letter, as --cursor takes it. */
void wb_cursor_text(const struct wb_index_letter *row, char ret[WB_CURSOR_SIZE]);

#endif
