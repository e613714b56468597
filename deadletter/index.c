#include "deadletter/index_internal.h"

#include "common/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION     1
#define BUSY_MS     10000
#define SCRATCH_MAX (8u << 20) /* a state record is at most as large as Kafka takes it */
#define FNV_OFFSET  UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME   UINT64_C(0x100000001b3)

static const char *const statements[WB_INDEX_STATEMENTS] = {
	[WB_INDEX_PUT_LETTER] = "INSERT INTO letters(hash, state, died, partition, offset, reason, status, container, "
				"job, seq, origin, origin_partition, origin_offset, key, id, bytes, identity) "
				"VALUES(?1,0,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
	[WB_INDEX_PUT_STATE] = "INSERT OR REPLACE INTO states(identity, value) VALUES(?1,?2)",
	[WB_INDEX_DROP_STATE] = "DELETE FROM states WHERE identity=?1",
	[WB_INDEX_GET_STATE] = "SELECT value FROM states WHERE identity=?1",
	[WB_INDEX_ADVANCE] = "INSERT OR REPLACE INTO positions(topic, partition, next, crc) VALUES(?1,?2,?3,?4)",
	[WB_INDEX_GET_POSITION] = "SELECT next, crc FROM positions WHERE topic=?1 AND partition=?2",
	[WB_INDEX_PUT_NAME] = "INSERT OR IGNORE INTO names(text) VALUES(?1)",
	[WB_INDEX_GET_NAME] = "SELECT number FROM names WHERE text=?1",
	[WB_INDEX_COPIES] = "SELECT " WB_INDEX_COLUMNS
			    ", n FROM letters WHERE hash=?1 ORDER BY died, partition, offset",
	[WB_INDEX_SET_STATE] = "UPDATE letters SET state=?2 WHERE n=?1",
};

static const char schema[] =
	"CREATE TABLE meta(source TEXT, ready INTEGER);"
	"CREATE TABLE positions(topic INTEGER, partition INTEGER, next INTEGER, crc INTEGER, PRIMARY KEY(topic, "
	"partition))"
	" WITHOUT ROWID;"
	"CREATE TABLE names(number INTEGER PRIMARY KEY, text BLOB UNIQUE);"
	"CREATE TABLE states(identity BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID;"
	"CREATE TABLE letters(n INTEGER PRIMARY KEY, hash INTEGER, state INTEGER, died INTEGER, partition INTEGER, "
	"offset INTEGER, reason INTEGER, status INTEGER, container INTEGER, job BLOB, seq INTEGER, origin INTEGER, "
	"origin_partition INTEGER, origin_offset INTEGER, key BLOB, id BLOB, bytes INTEGER, identity BLOB);";

int64_t wb_index_hash(struct wb_slice identity)
{
	uint64_t h = FNV_OFFSET;

	for (size_t i = 0; i < identity.len; i++)
		h = (h ^ (unsigned char)identity.data[i]) * FNV_PRIME;
	return (int64_t)h;
}

enum wb_err wb_index_check(struct wb_index *index, int rc, struct wb_error *e)
{
	int plain = rc & 0xff;

	if (plain == SQLITE_OK || plain == SQLITE_ROW || plain == SQLITE_DONE)
		return WB_OK;
	if (plain == SQLITE_CORRUPT || plain == SQLITE_NOTADB || plain == SQLITE_ERROR || plain == SQLITE_MISMATCH)
		index->damaged = true;
	return wb_error_set(e, WB_EIO, "the index %s: %s; --no-index does without it",
		index->path ? index->path : "in memory", index->db ? sqlite3_errmsg(index->db) : sqlite3_errstr(rc));
}

enum wb_err wb_index_exec(struct wb_index *index, const char *sql, struct wb_error *e)
{
	return wb_index_check(index, sqlite3_exec(index->db, sql, NULL, NULL, NULL), e);
}

sqlite3_stmt *wb_index_statement(struct wb_index *index, unsigned which, struct wb_error *e)
{
	sqlite3_stmt **statement = &index->statements[which];

	if (!*statement &&
		wb_index_check(index,
			sqlite3_prepare_v3(
				index->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL),
			e) != WB_OK)
		return NULL;
	(void)sqlite3_reset(*statement); /* tells the last use's error once more */
	(void)sqlite3_clear_bindings(*statement); /* always succeeds */
	return *statement;
}

static enum wb_err run(struct wb_index *index, sqlite3_stmt *statement, struct wb_error *e)
{
	enum wb_err err = wb_index_check(index, sqlite3_step(statement), e);

	(void)sqlite3_reset(statement);
	return err;
}

/* Binding fails only for want of memory or a wrong number: the step then has a NULL, which no column minds. */
static void bind_text(sqlite3_stmt *statement, int at, struct wb_slice text)
{
	if (text.data)
		(void)sqlite3_bind_blob(statement, at, text.data, (int)text.len, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *statement, int at, int64_t number)
{
	(void)sqlite3_bind_int64(statement, at, number);
}

static void forget_names(struct wb_index *index)
{
	for (size_t i = 0; i < WB_INDEX_NAMES; i++) {
		free(index->names[i].text);
		index->names[i] = (struct wb_index_name){ NULL, 0, 0 };
	}
}

/* What an error left open is void. */
static enum wb_err begin(struct wb_index *index, struct wb_error *e)
{
	index->dirty_count = 0;
	if (!sqlite3_get_autocommit(index->db)) {
		enum wb_err err = wb_index_exec(index, "ROLLBACK", e);

		if (err != WB_OK)
			return err;
	}
	return wb_index_exec(index, "BEGIN IMMEDIATE", e);
}

enum wb_err wb_index_reset(struct wb_index *index, struct wb_error *e)
{
	enum wb_err err = begin(index, e);

	forget_names(index);
	index->ready = false;
	if (err != WB_OK)
		return err;
	return wb_index_exec(index,
		"DROP INDEX IF EXISTS by_hash; DROP INDEX IF EXISTS by_state; DELETE FROM letters; "
		"DELETE FROM states; DELETE FROM names; DELETE FROM positions; UPDATE meta SET ready=0; COMMIT",
		e);
}

/* One row of one or two numbers, or one text; true when there was one. */
static bool ask(struct wb_index *index, const char *sql, int64_t *ret_number, char *ret_text, size_t size)
{
	sqlite3_stmt *s = NULL;
	bool found = false;

	if (sqlite3_prepare_v2(index->db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		*ret_number = sqlite3_column_int64(s, 0);
		if (ret_text && sqlite3_column_text(s, 1))
			(void)snprintf(ret_text, size, "%s", (const char *)sqlite3_column_text(s, 1));
		found = true;
	}
	(void)sqlite3_finalize(s); /* the step's error, which counts as nothing found */
	return found;
}

static enum wb_err make(struct wb_index *index, const char *source, struct wb_error *e)
{
	char *sql = sqlite3_mprintf("BEGIN IMMEDIATE;%s INSERT INTO meta VALUES(%Q,0); PRAGMA user_version=%d; COMMIT",
		schema, source, VERSION);
	enum wb_err err;

	if (!sql)
		return wb_error_set(e, WB_ENOMEM, "no memory for the index");
	err = wb_index_exec(index, sql, e);
	sqlite3_free(sql);
	return err;
}

/* Whether the file is one of ours, of this version and of this source; WB_EIO asks for a new file. */
static enum wb_err recognise(struct wb_index *index, const char *source, struct wb_error *e)
{
	char found[2048] = "";
	int64_t version = 0, ready = 0;
	enum wb_err err = wb_index_exec(index,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32768; PRAGMA temp_store=FILE; "
		"PRAGMA wal_autocheckpoint=4000; PRAGMA mmap_size=0",
		e);

	if (err != WB_OK)
		return err;
	if (!ask(index, "PRAGMA user_version", &version, NULL, 0))
		return wb_index_check(index, SQLITE_CORRUPT, e);
	if (version == 0)
		return make(index, source, e);
	if (version != VERSION || !ask(index, "SELECT ready, source FROM meta", &ready, found, sizeof found) ||
		strcmp(found, source) != 0)
		return wb_index_check(index, SQLITE_CORRUPT, e);
	index->ready = ready != 0;
	return WB_OK;
}

static void remove_file(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[4096];

	for (size_t i = 0; i < WB_ARRAY_LEN(ends); i++) {
		(void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
		(void)unlink(name); /* what is not there need not go */
	}
}

static enum wb_err open_once(const char *path, const char *source, struct wb_index **ret, struct wb_error *e)
{
	struct wb_index *index = wb_xcalloc(1, sizeof *index);
	enum wb_err err;

	wb_buf_init(&index->value, SCRATCH_MAX);
	wb_buf_init(&index->scratch, SCRATCH_MAX);
	index->path = path ? wb_xstrdup(path) : NULL;
	*ret = index;
	err = wb_index_check(index,
		sqlite3_open_v2(path ? path : ":memory:", &index->db,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL),
		e);
	if (err == WB_OK)
		err = wb_index_check(index, sqlite3_busy_timeout(index->db, BUSY_MS), e);
	return err == WB_OK ? recognise(index, source, e) : err;
}

enum wb_err wb_index_open(const char *path, const char *source, struct wb_index **ret, struct wb_error *e)
{
	struct wb_index *index = NULL;
	enum wb_err err = open_once(path, source, &index, e);

	if (err != WB_OK && index->damaged) {
		wb_index_free(&index);
		err = open_once(path, source, &index, e);
	}
	if (err != WB_OK) {
		wb_index_free(&index);
		return err;
	}
	*ret = index;
	return WB_OK;
}

void wb_index_free(struct wb_index **index)
{
	struct wb_index *i = *index;

	if (!i)
		return;
	for (unsigned s = 0; s < WB_INDEX_STATEMENTS; s++)
		(void)sqlite3_finalize(i->statements[s]); /* the last step's error, told already */
	(void)sqlite3_close(i->db); /* nothing is open in it any more */
	if (i->damaged && i->path)
		remove_file(i->path);
	forget_names(i);
	free(i->dirty);
	free(i->path);
	wb_buf_release(&i->value);
	wb_buf_release(&i->scratch);
	free(i);
	*index = NULL;
}

bool wb_index_is_damaged(const struct wb_index *index)
{
	return index->damaged;
}

enum wb_err wb_index_position(struct wb_index *index, enum wb_index_topic topic, int32_t partition, int64_t *ret_next,
	int64_t *ret_check, struct wb_error *e)
{
	sqlite3_stmt *s = wb_index_statement(index, WB_INDEX_GET_POSITION, e);
	int rc;

	if (!s)
		return WB_EIO;
	bind_number(s, 1, topic);
	bind_number(s, 2, partition);
	rc = sqlite3_step(s);
	*ret_next = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	*ret_check = rc == SQLITE_ROW ? sqlite3_column_int64(s, 1) : 0;
	(void)sqlite3_reset(s);
	return wb_index_check(index, rc, e);
}

enum wb_err wb_index_begin(struct wb_index *index, struct wb_error *e)
{
	/* A name's number may be of a transaction that is void. */
	if (!sqlite3_get_autocommit(index->db))
		forget_names(index);
	return begin(index, e);
}

static void settle_later(struct wb_index *index, int64_t hash)
{
	if (!index->ready)
		return;
	if (index->dirty_count == index->dirty_cap) {
		index->dirty_cap = index->dirty_cap ? 2 * index->dirty_cap : 1024;
		index->dirty = wb_xrealloc(index->dirty, index->dirty_cap * sizeof *index->dirty);
	}
	index->dirty[index->dirty_count++] = hash;
}

/* The number of a container or topic; 0 for none. */
static enum wb_err name_number(struct wb_index *index, struct wb_slice text, int64_t *ret, struct wb_error *e)
{
	struct wb_index_name *name = &index->names[(uint64_t)wb_index_hash(text) % WB_INDEX_NAMES];
	sqlite3_stmt *put, *get;
	enum wb_err err;

	*ret = 0;
	if (!text.data)
		return WB_OK;
	if (!name->text || !wb_slice_eq(wb_slice(name->text, name->len), text)) {
		put = wb_index_statement(index, WB_INDEX_PUT_NAME, e);
		get = wb_index_statement(index, WB_INDEX_GET_NAME, e);
		if (!put || !get)
			return WB_EIO;
		bind_text(put, 1, text);
		bind_text(get, 1, text);
		err = run(index, put, e);
		if (err == WB_OK)
			err = wb_index_check(index, sqlite3_step(get), e);
		if (err != WB_OK)
			return err;
		free(name->text);
		*name = (struct wb_index_name){ wb_xmemdup(text.data, text.len), text.len,
			sqlite3_column_int64(get, 0) };
		(void)sqlite3_reset(get);
	}
	*ret = name->number;
	return WB_OK;
}

/* A valid job's id as bytes. */
static struct wb_slice job_bytes(struct wb_slice job, char ret[WB_JOB_ID_LEN / 2])
{
	if (!job.data || job.len != WB_JOB_ID_LEN)
		return (struct wb_slice){ NULL, 0 };
	for (size_t i = 0; i < WB_JOB_ID_LEN; i++) {
		int digit = job.data[i] <= '9' ? job.data[i] - '0' : job.data[i] - 'a' + 10;

		ret[i / 2] = (char)(i % 2 ? (unsigned char)ret[i / 2] | digit : digit << 4);
	}
	return wb_slice(ret, WB_JOB_ID_LEN / 2);
}

static struct wb_slice short_enough(struct wb_slice text)
{
	return text.len <= WB_INDEX_TEXT_MAX ? text : (struct wb_slice){ NULL, 0 };
}

enum wb_err wb_index_put_letter(struct wb_index *index, const struct wb_index_letter *letter, struct wb_error *e)
{
	sqlite3_stmt *s = wb_index_statement(index, WB_INDEX_PUT_LETTER, e);
	int64_t hash = wb_index_hash(letter->identity), container, origin;
	char job[WB_JOB_ID_LEN / 2], derived[WB_LETTER_IDENTITY_SIZE];
	size_t derived_len = 0;
	enum wb_err err = name_number(index, letter->container, &container, e);

	if (!err)
		err = name_number(index, letter->origin_topic, &origin, e);
	if (err || !s)
		return WB_EIO;
	if (letter->job.data)
		derived_len = wb_letter_identity_of_job(letter->job, letter->seq, derived);
	bind_number(s, 1, hash);
	bind_number(s, 2, letter->died_ms);
	bind_number(s, 3, letter->partition);
	bind_number(s, 4, letter->offset);
	bind_number(s, 5, letter->reason);
	bind_number(s, 6, letter->status);
	bind_number(s, 7, container);
	bind_text(s, 8, job_bytes(letter->job, job));
	bind_number(s, 9, (int64_t)letter->seq);
	bind_number(s, 10, origin);
	bind_number(s, 11, letter->origin_partition);
	bind_number(s, 12, letter->origin_offset);
	bind_text(s, 13, short_enough(letter->key));
	/* Most documents are keyed by their id: NULL says so, a number that there is none. */
	if (!letter->id.data || letter->id.len > WB_INDEX_TEXT_MAX)
		bind_number(s, 14, 0);
	else if (!wb_slice_eq(letter->id, letter->key))
		bind_text(s, 14, letter->id);
	bind_number(s, 15, letter->bytes);
	if (!wb_slice_eq(letter->identity, wb_slice(derived, derived_len)))
		bind_text(s, 16, letter->identity);
	settle_later(index, hash);
	return run(index, s, e);
}

enum wb_err wb_index_put_state(
	struct wb_index *index, struct wb_slice identity, struct wb_slice value, struct wb_error *e)
{
	struct wb_state_record unused;
	sqlite3_stmt *s;

	if (value.data && !wb_state_decode(value, &index->scratch, &unused))
		return WB_OK;
	s = wb_index_statement(index, value.data ? WB_INDEX_PUT_STATE : WB_INDEX_DROP_STATE, e);
	if (!s)
		return WB_EIO;
	bind_text(s, 1, identity);
	if (value.data)
		bind_text(s, 2, value);
	settle_later(index, wb_index_hash(identity));
	return run(index, s, e);
}

enum wb_err wb_index_advance(struct wb_index *index, enum wb_index_topic topic, int32_t partition, int64_t next,
	int64_t check, struct wb_error *e)
{
	sqlite3_stmt *s = wb_index_statement(index, WB_INDEX_ADVANCE, e);

	if (!s)
		return WB_EIO;
	bind_number(s, 1, topic);
	bind_number(s, 2, partition);
	bind_number(s, 3, next);
	bind_number(s, 4, check);
	return run(index, s, e);
}

/* Older copies in the same partition go with the newer ones, so that nothing need be settled. */
enum wb_err wb_index_drop_below(struct wb_index *index, int32_t partition, int64_t low, struct wb_error *e)
{
	char sql[160];

	(void)snprintf(sql, sizeof sql, "DELETE FROM letters WHERE partition=%d AND offset<%lld", (int)partition,
		(long long)low);
	return wb_index_exec(index, sql, e);
}

enum wb_err wb_index_commit(struct wb_index *index, struct wb_error *e)
{
	for (size_t i = 0; i < index->dirty_count; i++) {
		enum wb_err err = wb_index_settle(index, index->dirty[i], e);

		if (err != WB_OK)
			return err;
	}
	index->dirty_count = 0;
	return wb_index_exec(index, "COMMIT", e);
}

enum wb_err wb_index_finish(struct wb_index *index, struct wb_error *e)
{
	enum wb_err err;

	if (index->ready)
		return WB_OK;
	err = begin(index, e);
	if (err == WB_OK)
		err = wb_index_exec(index,
			"CREATE INDEX IF NOT EXISTS by_hash ON letters(hash); "
			"CREATE INDEX IF NOT EXISTS by_state ON letters(state, died, partition, offset, reason)",
			e);
	if (err == WB_OK)
		err = wb_index_settle_all(index, e);
	if (err == WB_OK)
		err = wb_index_exec(index, "UPDATE meta SET ready=1; COMMIT", e);
	index->ready = err == WB_OK;
	return err;
}
