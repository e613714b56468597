/* The insides of the index, for index.c, index_settle.c and index_query.c. Not thread-safe. */
#ifndef WB_DEADLETTER_INDEX_INTERNAL_H
#define WB_DEADLETTER_INDEX_INTERNAL_H

#include "deadletter/index.h"

#include <sqlite3.h>

enum {
	WB_INDEX_PUT_LETTER,
	WB_INDEX_PUT_STATE,
	WB_INDEX_DROP_STATE,
	WB_INDEX_GET_STATE,
	WB_INDEX_ADVANCE,
	WB_INDEX_GET_POSITION,
	WB_INDEX_PUT_NAME,
	WB_INDEX_GET_NAME,
	WB_INDEX_COPIES,
	WB_INDEX_SET_STATE,
	WB_INDEX_STATEMENTS
};

#define WB_INDEX_NAMES 64 /* of containers and topics that are remembered */

struct wb_index_name {
	char *text;
	size_t len;
	int64_t number;
};

struct wb_index {
	sqlite3 *db;
	char *path; /* NULL: in memory */
	bool damaged;
	bool ready; /* secondary indexes are there, and states are settled as letters come */
	sqlite3_stmt *statements[WB_INDEX_STATEMENTS];
	struct wb_index_name names[WB_INDEX_NAMES]; /* by hash */
	int64_t *dirty; /* hashes of identities whose states are to be settled before the commit */
	size_t dirty_count, dirty_cap;
	struct wb_buf value, scratch; /* a state record, and its decoded texts */
};

/* The columns that wb_index_read_row reads, in its order. */
#define WB_INDEX_COLUMNS                                                                                             \
	"died, partition, offset, state, reason, status, (SELECT text FROM names WHERE number=container), "          \
	"lower(hex(job)), seq, (SELECT text FROM names WHERE number=origin), origin_partition, origin_offset, key, " \
	"id, "                                                                                                       \
	"bytes, identity"

/* WB_OK, or WB_EIO with a sentence; remembers whether the file is damaged. */
enum wb_err wb_index_check(struct wb_index *index, int rc, struct wb_error *e) WB_MUST_USE;
enum wb_err wb_index_exec(struct wb_index *index, const char *sql, struct wb_error *e) WB_MUST_USE;
/* The statement, reset and without values; made at its first use. NULL with a sentence. */
sqlite3_stmt *wb_index_statement(struct wb_index *index, unsigned which, struct wb_error *e) WB_MUST_USE;
/* Of a row of WB_INDEX_COLUMNS. identity_text holds a derived identity. */
void wb_index_read_row(sqlite3_stmt *row, struct wb_index_letter *ret, char identity_text[WB_LETTER_IDENTITY_SIZE]);
/* Settles the states of all letters with this hash. */
enum wb_err wb_index_settle(struct wb_index *index, int64_t hash, struct wb_error *e) WB_MUST_USE;
/* Settles all letters that have copies or states. */
enum wb_err wb_index_settle_all(struct wb_index *index, struct wb_error *e) WB_MUST_USE;

static inline struct wb_slice wb_index_column_text(sqlite3_stmt *row, int column)
{
	const void *data = sqlite3_column_blob(row, column);
	int len = sqlite3_column_bytes(row, column);

	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return (struct wb_slice){ NULL, 0 };
	return wb_slice(data ? data : "", (size_t)len);
}

#endif
