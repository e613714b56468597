#include "sandbox/unique_keys.h"

#include "common/base/mem.h"
#include "sandbox/member.h"

#include <stdlib.h>

#define BUCKETS_MIN 64
/* Every path of a key may lead to nearly all of a document. */
#define TEXT_MAX ((size_t)(WB_UNIQUE_PATHS_MAX + 1) * 2 * 1024 * 1024)

struct wb_unique_entry {
	struct wb_unique_entry *next;
	uint64_t hash;
	size_t text_len, id_len;
	char bytes[]; /* text, id of the item that has it */
};

enum wb_err wb_unique_keys_add(struct wb_unique_keys *k, bool first, struct wb_slice path, struct wb_error *e)
{
	struct wb_unique_key *key;
	enum wb_err err;

	if (first && k->count == WB_UNIQUE_KEYS_MAX)
		return wb_error_set(e, WB_EINVAL, "a container has at most %d unique keys", WB_UNIQUE_KEYS_MAX);
	key = &k->key[first ? k->count : k->count - 1];
	if (key->count == WB_UNIQUE_PATHS_MAX)
		return wb_error_set(e, WB_EINVAL, "a unique key has at most %d paths", WB_UNIQUE_PATHS_MAX);
	err = wb_json_paths_add(&key->path[key->count], path, e);
	if (err)
		return err;
	key->count++;
	k->count += first;
	return WB_OK;
}

void wb_unique_keys_release(struct wb_unique_keys *k)
{
	for (unsigned i = 0; i < k->count; i++)
		for (unsigned j = 0; j < k->key[i].count; j++)
			wb_json_paths_release(&k->key[i].path[j]);
	*k = (struct wb_unique_keys){ 0 };
}

void wb_unique_index_init(struct wb_unique_index *x, const struct wb_unique_keys *keys)
{
	*x = (struct wb_unique_index){ .keys = keys && keys->count ? keys : NULL };
	if (!x->keys)
		return;
	wb_buf_init(&x->text, TEXT_MAX);
	x->bucket_count = BUCKETS_MIN;
	x->buckets = wb_xcalloc(x->bucket_count, sizeof(struct wb_unique_entry *));
}

void wb_unique_index_release(struct wb_unique_index *x)
{
	for (size_t i = 0; i < x->bucket_count; i++) {
		for (struct wb_unique_entry *e = x->buckets[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
	}
	free(x->buckets);
	if (x->keys)
		wb_buf_release(&x->text);
	*x = (struct wb_unique_index){ 0 };
}

/* The same value always gives the same bytes: a type, then the value in a form of its own with its length. */
static void append_value(struct wb_buf *b, struct wb_json_value value)
{
	if (value.type == WB_JSON_ABSENT)
		value.type = WB_JSON_NULL;
	wb_buf_append_char(b, (char)('0' + (int)value.type));
	if (value.type == WB_JSON_NUMBER) {
		double number = wb_json_number(value.raw) + 0.0; /* -0 is 0 */

		wb_buf_append(b, &number, sizeof number);
	} else if (value.type == WB_JSON_STRING) {
		char *out = wb_buf_reserve(b, value.raw.len);

		if (out) {
			size_t len = wb_json_string_decode_into(value.raw, out);

			b->len += len == SIZE_MAX ? 0 : len;
			wb_buf_truncate(b, b->len);
		}
		wb_buf_append_char(b, '\0'); /* no other text may go on where this ends */
	} else if (value.type == WB_JSON_ARRAY || value.type == WB_JSON_OBJECT) {
		wb_buf_append_slice(b, value.raw);
		wb_buf_append_char(b, '\0');
	}
}

/* The text of one key of an item, in x->text. */
static struct wb_slice make_text(struct wb_unique_index *x, unsigned number, const struct wb_unique_item *item)
{
	const struct wb_unique_key *key = &x->keys->key[number];

	wb_buf_clear(&x->text);
	wb_buf_append_char(&x->text, (char)('0' + number));
	wb_buf_append_slice(&x->text, item->pk);
	for (unsigned i = 0; i < key->count; i++) {
		const struct wb_json_path *path = &key->path[i].path[0];

		append_value(&x->text, wb_member_at(item->body, path->segments, path->count));
	}
	return wb_buf_slice(&x->text);
}

/* FNV-1a: short texts, no adversary. */
static uint64_t hash_of(struct wb_slice text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
	return h;
}

static struct wb_unique_entry **find_link(const struct wb_unique_index *x, struct wb_slice text, uint64_t hash)
{
	struct wb_unique_entry **link = &x->buckets[hash & (x->bucket_count - 1)];

	while (*link && ((*link)->hash != hash || !wb_slice_eq(wb_slice((*link)->bytes, (*link)->text_len), text)))
		link = &(*link)->next;
	return link;
}

static bool is_of(const struct wb_unique_entry *entry, struct wb_slice id)
{
	return wb_slice_eq(wb_slice(entry->bytes + entry->text_len, entry->id_len), id);
}

bool wb_unique_index_taken(struct wb_unique_index *x, const struct wb_unique_item *item)
{
	for (unsigned i = 0; x->keys && i < x->keys->count; i++) {
		struct wb_slice text = make_text(x, i, item);
		const struct wb_unique_entry *entry = *find_link(x, text, hash_of(text));

		if (entry && !is_of(entry, item->id))
			return true;
	}
	return false;
}

static void grow(struct wb_unique_index *x)
{
	size_t count = x->bucket_count * 2;
	struct wb_unique_entry **buckets = wb_xcalloc(count, sizeof(struct wb_unique_entry *));

	for (size_t i = 0; i < x->bucket_count; i++) {
		for (struct wb_unique_entry *e = x->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (count - 1)];
			buckets[e->hash & (count - 1)] = e;
		}
	}
	free(x->buckets);
	x->buckets = buckets;
	x->bucket_count = count;
}

static void add_one(struct wb_unique_index *x, struct wb_slice text, struct wb_slice id)
{
	uint64_t hash = hash_of(text);
	struct wb_unique_entry **link = find_link(x, text, hash);
	struct wb_unique_entry *entry;

	if (*link)
		return;
	entry = wb_xmalloc(sizeof *entry + text.len + id.len);
	*entry = (struct wb_unique_entry){ .hash = hash, .text_len = text.len, .id_len = id.len };
	memcpy(entry->bytes, text.data, text.len);
	memcpy(entry->bytes + text.len, id.data, id.len);
	*link = entry;
	if (++x->count > x->bucket_count)
		grow(x);
}

void wb_unique_index_add(struct wb_unique_index *x, const struct wb_unique_item *item)
{
	for (unsigned i = 0; x->keys && i < x->keys->count; i++)
		add_one(x, make_text(x, i, item), item->id);
}

void wb_unique_index_drop(struct wb_unique_index *x, const struct wb_unique_item *item)
{
	for (unsigned i = 0; x->keys && i < x->keys->count; i++) {
		struct wb_slice text = make_text(x, i, item);
		struct wb_unique_entry **link = find_link(x, text, hash_of(text)), *entry = *link;

		if (!entry || !is_of(entry, item->id))
			continue;
		*link = entry->next;
		free(entry);
		x->count--;
	}
}
