#include "deadletter/index_internal.h"

#include "common/base/mem.h"

#include <stdlib.h>

#define COPIES_MAX 10000 /* of one letter that are compared; far more than dead.letter.max.replays and crashes make */

struct copy {
	int64_t n, died_ms, offset;
	int32_t partition;
	enum wb_letter_state state;
	char *identity;
	size_t identity_len;
};

static bool is_newer(const struct copy *a, const struct copy *b)
{
	if (a->partition == b->partition)
		return a->offset > b->offset;
	if (a->died_ms != b->died_ms)
		return a->died_ms > b->died_ms;
	return a->partition > b->partition;
}

static bool same_letter(const struct copy *a, const struct copy *b)
{
	return a->identity_len == b->identity_len && memcmp(a->identity, b->identity, a->identity_len) == 0;
}

static enum wb_err read_copies(
	struct wb_index *index, int64_t hash, struct copy **ret, size_t *ret_count, struct wb_error *e)
{
	sqlite3_stmt *s = wb_index_statement(index, WB_INDEX_COPIES, e);
	struct copy *copies = NULL;
	size_t count = 0, cap = 0;
	int rc;

	if (!s)
		return WB_EIO;
	(void)sqlite3_bind_int64(s, 1, hash); /* fails only for a wrong number */
	while ((rc = sqlite3_step(s)) == SQLITE_ROW && count < COPIES_MAX) {
		char text[WB_LETTER_IDENTITY_SIZE];
		struct wb_index_letter letter;

		wb_index_read_row(s, &letter, text);
		if (count == cap) {
			cap = cap ? 2 * cap : 4;
			copies = wb_xrealloc(copies, cap * sizeof *copies);
		}
		copies[count++] = (struct copy){ .n = sqlite3_column_int64(s, sqlite3_column_count(s) - 1),
			.died_ms = letter.died_ms,
			.offset = letter.offset,
			.partition = letter.partition,
			.state = letter.state,
			.identity = wb_xmemdup(letter.identity.data, letter.identity.len),
			.identity_len = letter.identity.len };
	}
	(void)sqlite3_reset(s);
	*ret = copies;
	*ret_count = count;
	return wb_index_check(index, rc, e);
}

/* What the newest copy's state is. */
static enum wb_err judge(
	struct wb_index *index, const struct copy *newest, enum wb_letter_state *ret, struct wb_error *e)
{
	struct wb_state_record record;
	bool found = false;
	enum wb_err err = wb_index_state(index, wb_slice(newest->identity, newest->identity_len), &record, &found, e);

	*ret = WB_LETTER_OPEN;
	if (err == WB_OK && found && !wb_state_is_behind(&record, newest->partition, newest->offset, newest->died_ms))
		*ret = record.state;
	return err;
}

static enum wb_err set(struct wb_index *index, const struct copy *copy, enum wb_letter_state state, struct wb_error *e)
{
	sqlite3_stmt *s;
	enum wb_err err;

	if (copy->state == state)
		return WB_OK;
	s = wb_index_statement(index, WB_INDEX_SET_STATE, e);
	if (!s)
		return WB_EIO;
	(void)sqlite3_bind_int64(s, 1, copy->n);
	(void)sqlite3_bind_int64(s, 2, state);
	err = wb_index_check(index, sqlite3_step(s), e);
	(void)sqlite3_reset(s);
	return err;
}

enum wb_err wb_index_settle(struct wb_index *index, int64_t hash, struct wb_error *e)
{
	struct copy *copies = NULL;
	size_t count = 0;
	enum wb_err err = read_copies(index, hash, &copies, &count, e);

	for (size_t i = 0; err == WB_OK && i < count; i++) {
		enum wb_letter_state state = WB_LETTER_OPEN;

		for (size_t k = 0; k < count; k++)
			if (k != i && same_letter(&copies[k], &copies[i]) && is_newer(&copies[k], &copies[i]))
				state = WB_LETTER_OLDER;
		if (state == WB_LETTER_OPEN)
			err = judge(index, &copies[i], &state, e);
		if (err == WB_OK)
			err = set(index, &copies[i], state, e);
	}
	for (size_t i = 0; i < count; i++)
		free(copies[i].identity);
	free(copies);
	return err;
}

/* Settles what the question names: hashes, or identities of which hashes are made. They are gathered first, because
 * settling writes to the table that is read. */
static enum wb_err settle_found(struct wb_index *index, const char *sql, bool identities, struct wb_error *e)
{
	sqlite3_stmt *s = NULL;
	int64_t *hashes = NULL;
	size_t count = 0, cap = 0;
	int rc = sqlite3_prepare_v2(index->db, sql, -1, &s, NULL);
	enum wb_err err;

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(s);
		if (rc != SQLITE_ROW)
			break;
		if (count == cap) {
			cap = cap ? 2 * cap : 1024;
			hashes = wb_xrealloc(hashes, cap * sizeof *hashes);
		}
		hashes[count++] = identities ? wb_index_hash(wb_index_column_text(s, 0)) : sqlite3_column_int64(s, 0);
	}
	err = wb_index_check(index, rc, e);
	(void)sqlite3_finalize(s);
	for (size_t i = 0; err == WB_OK && i < count; i++)
		err = wb_index_settle(index, hashes[i], e);
	free(hashes);
	return err;
}

enum wb_err wb_index_settle_all(struct wb_index *index, struct wb_error *e)
{
	enum wb_err err = settle_found(index, "SELECT hash FROM letters GROUP BY hash HAVING count(*)>1", false, e);

	return err == WB_OK ? settle_found(index, "SELECT identity FROM states", true, e) : err;
}
