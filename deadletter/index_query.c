#include "deadletter/index_internal.h"

#include <stdio.h>

enum {
	STATE_AT = 1,
	DIED_AT,
	PARTITION_AT,
	OFFSET_AT,
	SINCE_AT,
	UNTIL_AT,
	REASON_AT,
	STATUS_AT,
	JOB_AT,
	KEY_AT,
	CONTAINER_AT,
	AFTER_AT
};

#define SQL_MAX 2048

void wb_index_read_row(sqlite3_stmt *row, struct wb_index_letter *ret, char identity_text[WB_LETTER_IDENTITY_SIZE])
{
	size_t len;

	*ret = (struct wb_index_letter){
		.died_ms = sqlite3_column_int64(row, 0),
		.partition = sqlite3_column_int(row, 1),
		.offset = sqlite3_column_int64(row, 2),
		.state = (enum wb_letter_state)sqlite3_column_int(row, 3),
		.reason = (enum wb_reason)sqlite3_column_int(row, 4),
		.status = sqlite3_column_int(row, 5),
		.container = wb_index_column_text(row, 6),
		.job = wb_index_column_text(row, 7),
		.seq = (uint64_t)sqlite3_column_int64(row, 8),
		.origin_topic = wb_index_column_text(row, 9),
		.origin_partition = sqlite3_column_int(row, 10),
		.origin_offset = sqlite3_column_int64(row, 11),
		.key = wb_index_column_text(row, 12),
		.bytes = sqlite3_column_int64(row, 14),
		.identity = wb_index_column_text(row, 15),
	};
	if (sqlite3_column_type(row, 13) == SQLITE_NULL)
		ret->id = ret->key;
	else if (sqlite3_column_type(row, 13) != SQLITE_INTEGER)
		ret->id = wb_index_column_text(row, 13);
	if (ret->job.len != WB_JOB_ID_LEN)
		ret->job = (struct wb_slice){ NULL, 0 };
	if (!ret->identity.data && ret->job.data) {
		len = wb_letter_identity_of_job(ret->job, ret->seq, identity_text);
		ret->identity = wb_slice(identity_text, len);
	}
}

/* All conditions but the state's; texts are fixed, values are bound. */
static void conditions(const struct wb_index_filter *f, char ret[SQL_MAX])
{
	(void)snprintf(ret, SQL_MAX, "state=?1%s%s%s%s%s%s%s%s%s", f->after ? " AND n>?12" : "",
		f->has_before ? " AND (died,partition,offset)<(?2,?3,?4)" : "", f->since_ms ? " AND died>=?5" : "",
		f->until_ms ? " AND died<=?6" : "", f->has_reason ? " AND reason=?7" : "",
		f->status ? " AND status=?8" : "", f->job.data ? " AND lower(hex(job))=?9" : "",
		f->key.data ? " AND key=?10" : "",
		f->container.data
			? " AND container IN (SELECT number FROM names WHERE text=?11 OR text=CAST('/'||?11 AS BLOB))"
			: "");
}

static void bind(sqlite3_stmt *s, const struct wb_index_filter *f, unsigned state)
{
	/* A value that the statement does not use has no place in it, which the call says; nothing else can fail. */
	(void)sqlite3_bind_int64(s, STATE_AT, state);
	(void)sqlite3_bind_int64(s, DIED_AT, f->before_died_ms);
	(void)sqlite3_bind_int64(s, PARTITION_AT, f->before_partition);
	(void)sqlite3_bind_int64(s, OFFSET_AT, f->before_offset);
	(void)sqlite3_bind_int64(s, SINCE_AT, f->since_ms);
	(void)sqlite3_bind_int64(s, UNTIL_AT, f->until_ms);
	(void)sqlite3_bind_int64(s, REASON_AT, f->reason);
	(void)sqlite3_bind_int64(s, STATUS_AT, f->status);
	(void)sqlite3_bind_int64(s, AFTER_AT, f->after);
	if (f->job.data)
		(void)sqlite3_bind_text(s, JOB_AT, f->job.data, (int)f->job.len, SQLITE_STATIC);
	if (f->key.data)
		(void)sqlite3_bind_blob(s, KEY_AT, f->key.data, (int)f->key.len, SQLITE_STATIC);
	if (f->container.data)
		(void)sqlite3_bind_blob(s, CONTAINER_AT, f->container.data, (int)f->container.len, SQLITE_STATIC);
}

static sqlite3_stmt *prepare(struct wb_index *index, const char *columns, const struct wb_index_filter *f,
	unsigned state, const char *order, struct wb_error *e)
{
	char where[SQL_MAX], sql[2 * SQL_MAX];
	sqlite3_stmt *s = NULL;

	conditions(f, where);
	(void)snprintf(sql, sizeof sql, "SELECT %s FROM letters WHERE %s%s", columns, where, order);
	if (wb_index_check(index, sqlite3_prepare_v2(index->db, sql, -1, &s, NULL), e) != WB_OK)
		return NULL;
	bind(s, f, state);
	return s;
}

static unsigned wanted(const struct wb_index_filter *f)
{
	return f->states ? f->states : 1u << WB_LETTER_OPEN;
}

/* One question a state, each in the order of the index: their rows are merged. */
struct source {
	sqlite3_stmt *rows;
	bool has_row;
};

static bool row_is_newer(sqlite3_stmt *a, sqlite3_stmt *b)
{
	for (int column = 0; column < 3; column++) {
		sqlite3_int64 x = sqlite3_column_int64(a, column), y = sqlite3_column_int64(b, column);

		if (x != y)
			return x > y;
	}
	return false;
}

static enum wb_err step(struct wb_index *index, struct source *source, struct wb_error *e)
{
	int rc = sqlite3_step(source->rows);

	source->has_row = rc == SQLITE_ROW;
	return wb_index_check(index, rc, e);
}

static struct source *newest(struct source *sources, unsigned count)
{
	struct source *found = NULL;

	for (unsigned i = 0; i < count; i++) {
		if (sources[i].has_row && (!found || row_is_newer(sources[i].rows, found->rows)))
			found = &sources[i];
	}
	return found;
}

enum wb_err wb_index_each(
	struct wb_index *index, const struct wb_index_filter *filter, wb_index_fn fn, void *arg, struct wb_error *e)
{
	struct source sources[WB_LETTER_STATES] = { { NULL, false } }, *at;
	unsigned count = 0;
	enum wb_err err = WB_OK;

	for (unsigned state = 0; state < WB_LETTER_STATES && err == WB_OK; state++) {
		if (!(wanted(filter) >> state & 1))
			continue;
		sources[count].rows = prepare(
			index, WB_INDEX_COLUMNS, filter, state, " ORDER BY died DESC, partition DESC, offset DESC", e);
		err = sources[count].rows ? step(index, &sources[count], e) : WB_EIO;
		count++;
	}
	while (err == WB_OK && (at = newest(sources, count))) {
		char text[WB_LETTER_IDENTITY_SIZE];
		struct wb_index_letter letter;

		wb_index_read_row(at->rows, &letter, text);
		if (!fn(arg, &letter))
			break;
		err = step(index, at, e);
	}
	for (unsigned i = 0; i < count; i++)
		(void)sqlite3_finalize(sources[i].rows); /* the last step's error, told already */
	return err;
}

/* All rows of all wanted states, in no order. */
static enum wb_err each_row(struct wb_index *index, const char *columns, const struct wb_index_filter *filter,
	bool (*fn)(void *arg, sqlite3_stmt *row), void *arg, struct wb_error *e)
{
	enum wb_err err = WB_OK;
	bool goes_on = true;

	for (unsigned state = 0; state < WB_LETTER_STATES && err == WB_OK && goes_on; state++) {
		sqlite3_stmt *s;
		int rc = SQLITE_ROW;

		if (!(wanted(filter) >> state & 1))
			continue;
		s = prepare(index, columns, filter, state, "", e);
		if (!s)
			return WB_EIO;
		while (goes_on && (rc = sqlite3_step(s)) == SQLITE_ROW)
			goes_on = fn(arg, s);
		err = wb_index_check(index, rc, e);
		(void)sqlite3_finalize(s);
	}
	return err;
}

static bool count_row(void *arg, sqlite3_stmt *row)
{
	uint64_t *of_reason = arg;
	int reason = sqlite3_column_int(row, 0);

	of_reason[reason >= 0 && reason <= WB_REASON_SERVER_ERROR ? reason : 0]++;
	return true;
}

enum wb_err wb_index_count(struct wb_index *index, const struct wb_index_filter *filter,
	uint64_t ret_of_reason[WB_REASON_SERVER_ERROR + 1], struct wb_error *e)
{
	memset(ret_of_reason, 0, (WB_REASON_SERVER_ERROR + 1) * sizeof *ret_of_reason);
	return each_row(index, "reason", filter, count_row, ret_of_reason, e);
}

struct tally {
	wb_index_fn fn;
	void *arg;
};

static bool tally_row(void *arg, sqlite3_stmt *row)
{
	struct tally *t = arg;
	const struct wb_index_letter letter = { .died_ms = sqlite3_column_int64(row, 0),
		.state = (enum wb_letter_state)sqlite3_column_int(row, 1),
		.reason = (enum wb_reason)sqlite3_column_int(row, 2),
		.container = wb_index_column_text(row, 3) };

	return t->fn(t->arg, &letter);
}

enum wb_err wb_index_tally(
	struct wb_index *index, const struct wb_index_filter *filter, wb_index_fn fn, void *arg, struct wb_error *e)
{
	struct tally t = { .fn = fn, .arg = arg };

	return each_row(index, "died, state, reason, (SELECT text FROM names WHERE number=container)", filter,
		tally_row, &t, e);
}

enum wb_err wb_index_copies(
	struct wb_index *index, struct wb_slice identity, wb_index_fn fn, void *arg, struct wb_error *e)
{
	sqlite3_stmt *s = wb_index_statement(index, WB_INDEX_COPIES, e);
	int rc = SQLITE_DONE;

	if (!s)
		return WB_EIO;
	(void)sqlite3_bind_int64(s, 1, wb_index_hash(identity));
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		char text[WB_LETTER_IDENTITY_SIZE];
		struct wb_index_letter letter;

		wb_index_read_row(s, &letter, text);
		if (wb_slice_eq(letter.identity, identity) && !fn(arg, &letter))
			break;
	}
	(void)sqlite3_reset(s);
	return wb_index_check(index, rc, e);
}

enum wb_err wb_index_state(struct wb_index *index, struct wb_slice identity, struct wb_state_record *ret,
	bool *ret_found, struct wb_error *e)
{
	sqlite3_stmt *s = wb_index_statement(index, WB_INDEX_GET_STATE, e);
	int rc;

	if (!s)
		return WB_EIO;
	(void)sqlite3_bind_blob(s, 1, identity.data, (int)identity.len, SQLITE_STATIC);
	rc = sqlite3_step(s);
	*ret_found = false;
	if (rc == SQLITE_ROW) {
		wb_buf_clear(&index->value);
		wb_buf_append_slice(&index->value, wb_index_column_text(s, 0));
		*ret_found = wb_state_decode(wb_buf_slice(&index->value), &index->scratch, ret);
	}
	(void)sqlite3_reset(s);
	return wb_index_check(index, rc, e);
}

int64_t wb_index_last(struct wb_index *index)
{
	sqlite3_stmt *s = NULL;
	int64_t last = 0;

	if (sqlite3_prepare_v2(index->db, "SELECT max(n) FROM letters", -1, &s, NULL) == SQLITE_OK &&
		sqlite3_step(s) == SQLITE_ROW)
		last = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s); /* the step's error, which the next question tells again */
	return last;
}
