#include "sandbox/feed.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/base/thread.h"
#include "sandbox/document_routes.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#define PAGE_ITEMS_DEFAULT 100
#define PAGE_ITEMS_MAX     1000
#define PAGE_BYTES_MAX     (4 * 1024 * 1024)
#define STREAM_PIECE_BYTES (256 * 1024)
/* A page costs this much beside what its documents cost. */
#define FEED_BASE_CHARGE 1.0

/* One page to be made. */
struct page {
	struct wb_container *container;
	const struct wb_range *only;  /* one range, or NULL for all */
	struct wb_slice key;          /* canonical partition key text, or {NULL, 0} for all */
	struct wb_epk min, max;       /* only keys in [min, max), when bounded */
	bool bounded;
	unsigned range;               /* index of the range to go on in */
	uint64_t after;               /* number of the last document seen there */
	int64_t items_max;
	int64_t items;
	size_t bytes;
	bool more;
	bool query;
	uint32_t now_s;               /* wall clock */
};

static int range_index(const struct wb_container *c, struct wb_slice id)
{
	for (unsigned i = 0; i < c->range_count; i++)
		if (wb_slice_eq_cstr(id, c->ranges[i]->id))
			return (int)i;
	return -1;
}

/* "<range id>:<number>" */
static bool parse_continuation(struct page *p, struct wb_slice text)
{
	const char *colon = memchr(text.data, ':', text.len);
	struct wb_slice id, number;
	int64_t after;
	int index;

	if (!colon)
		return false;
	id = wb_slice(text.data, (size_t)(colon - text.data));
	number = wb_slice(colon + 1, text.len - id.len - 1);
	index = range_index(p->container, id);
	if (index < 0 || wb_strict_int64(number, 0, INT64_MAX, &after, NULL))
		return false;
	p->range = (unsigned)index;
	p->after = (uint64_t)after;
	return true;
}

static bool is_retired(const struct wb_container *c, struct wb_slice continuation)
{
	const char *colon = memchr(continuation.data, ':', continuation.len);

	return colon && wb_container_retired_by_id(c, wb_slice(continuation.data, (size_t)(colon - continuation.data)));
}

static bool read_key(struct wb_exchange *x, struct page *p, struct wb_slice text)
{
	struct wb_buf *scratch = &x->scratch->strings;
	struct wb_error why;
	struct wb_pk key;
	struct wb_epk epk;
	size_t at;

	if (wb_document_scratch_clear(scratch) ||
		wb_pk_parse(text, p->container->key.paths.count, scratch, &key, &why)) {
		wb_exchange_error(x, 400, 0, -1, "The partition key of the request is malformed.");
		return false;
	}
	wb_pk_hash(p->container->key.kind, &key, &epk);
	p->only = wb_container_range_of(p->container, &epk);
	at = scratch->len;
	wb_pk_text(&key, scratch);
	p->key = wb_slice(scratch->data + at, scratch->len - at);
	return true;
}

/* A part of a range, as the clients ask for it when their ranges are older than ours, or by the beginning of a
 * hierarchical key. */
static bool read_bounds(struct wb_exchange *x, struct page *p)
{
	struct wb_slice min = wb_exchange_header(x, "x-ms-start-epk"), max = wb_exchange_header(x, "x-ms-end-epk");

	p->bounded = min.len || max.len;
	if (!p->bounded)
		return true;
	p->max = (struct wb_epk){ .len = 1, .bytes[0] = 0xff };
	if (!wb_epk_parse(min, &p->min) && (!max.len || !wb_epk_parse(max, &p->max)))
		return true;
	wb_exchange_error(x, 400, 0, -1, "x-ms-start-epk and x-ms-end-epk must be effective partition keys in hex.");
	return false;
}

/* Whether the document is one of those that the request asks for. */
static bool is_wanted(const struct page *p, const struct wb_item *item, struct wb_buf *scratch)
{
	struct wb_epk epk;
	struct wb_pk key;

	if (p->key.data && !wb_slice_eq(p->key, wb_item_pk(item)))
		return false;
	if (!p->bounded)
		return true;
	wb_buf_clear(scratch);
	if (!wb_buf_reserve(scratch, WB_JSON_PATHS_MAX * WB_PK_STRING_MAX) ||
		wb_pk_parse(wb_item_pk(item), 0, scratch, &key, NULL))
		return false;
	wb_pk_hash(p->container->key.kind, &key, &epk);
	return wb_epk_compare(&epk, &p->min) >= 0 && wb_epk_compare(&epk, &p->max) < 0;
}

/* Reads what the headers ask for; false when the reply is made. */
static bool open_page(struct wb_exchange *x, struct page *p)
{
	struct wb_slice count = wb_exchange_header(x, "x-ms-max-item-count");
	struct wb_slice range = wb_exchange_header(x, "x-ms-documentdb-partitionkeyrangeid");
	struct wb_slice key = wb_exchange_header(x, "x-ms-documentdb-partitionkey");
	struct wb_slice continuation = wb_exchange_header(x, "x-ms-continuation");

	p->items_max = PAGE_ITEMS_DEFAULT;
	if (count.len && wb_strict_int64(count, -1, INT32_MAX, &p->items_max, NULL)) {
		wb_exchange_error(x, 400, 0, -1, "x-ms-max-item-count must be -1 or a count.");
		return false;
	}
	if (p->items_max <= 0 || p->items_max > PAGE_ITEMS_MAX)
		p->items_max = PAGE_ITEMS_MAX;
	if (range.len) {
		p->only = wb_container_range_by_id(p->container, range);
		if (!p->only) {
			wb_exchange_error(
				x, 410, WB_SUBSTATUS_RANGE_GONE, -1, "The requested partition key range is gone.");
			return false;
		}
	}
	if (key.len && !read_key(x, p, key))
		return false;
	if (!read_bounds(x, p))
		return false;
	if (p->only)
		p->range = (unsigned)range_index(p->container, wb_slice_cstr(p->only->id));
	if (continuation.len && !parse_continuation(p, continuation)) {
		if (is_retired(p->container, continuation))
			wb_exchange_error(x, 410, WB_SUBSTATUS_RANGE_GONE, -1,
				"The partition key range of the continuation token is gone.");
		else
			wb_exchange_error(x, 400, 0, -1, "The continuation token is malformed.");
		return false;
	}
	return true;
}

/* Takes documents of one range until it ends or the page is full. */
static void take_from_range(struct page *p, struct wb_range *range, struct wb_buf *scratch, struct wb_buf *body)
{
	const struct wb_item *item;

	wb_mutex_lock(&range->lock);
	wb_store_expire(&range->store, p->now_s);
	for (item = wb_store_after(&range->store, p->after); item; item = wb_store_next(&range->store, item)) {
		if (p->items >= p->items_max || body->len > PAGE_BYTES_MAX) {
			p->more = true;
			break;
		}
		p->after = item->number;
		if (!is_wanted(p, item, scratch))
			continue;
		if (p->items++)
			wb_buf_append_char(body, ',');
		wb_document_render(p->container, item, body);
		p->bytes += item->body_len;
	}
	wb_mutex_unlock(&range->lock);
}

static void fill_page(struct page *p, struct wb_buf *scratch, struct wb_buf *body)
{
	unsigned last = p->only ? p->range : p->container->range_count - 1;

	for (;;) {
		take_from_range(p, p->container->ranges[p->range], scratch, body);
		if (p->more || p->range >= last)
			return;
		p->range++;
		p->after = 0;
	}
}

/* A page is charged to the range that it begins in. */
static bool admitted(struct wb_exchange *x, struct wb_range *range)
{
	double limit = (double)atomic_load(&x->state->range_limit);
	int64_t retry_after_ms = 0;
	bool ok;

	wb_mutex_lock(&range->lock);
	ok = wb_request_units_admit(&range->units, limit, x->now.mono_ms, &retry_after_ms);
	wb_mutex_unlock(&range->lock);
	if (!ok)
		wb_exchange_error(x, 429, WB_SUBSTATUS_THROTTLED, retry_after_ms, "Request rate is large.");
	return ok;
}

/* Returns the range's progress. */
static uint64_t spend(struct wb_exchange *x, struct wb_range *range, double charge)
{
	uint64_t session_number;

	wb_mutex_lock(&range->lock);
	if (atomic_load(&x->state->range_limit) > 0)
		wb_request_units_spend(&range->units, charge);
	range->charged += charge;
	session_number = wb_store_session_number(&range->store);
	wb_mutex_unlock(&range->lock);
	return session_number;
}

static void run_page(struct wb_exchange *x, void *arg)
{
	struct page *p = arg;
	struct wb_range *range = p->container->ranges[p->range];
	struct wb_buf *body = &x->reply->body;
	uint64_t session_number;
	double charge;
	char text[48];

	if (!admitted(x, range))
		return;
	p->now_s = x->now.wall_s;
	wb_buf_clear(body);
	wb_buf_appendf(body, "{\"_rid\":\"%s\",\"Documents\":[", p->container->rid);
	fill_page(p, &x->scratch->ids, body);
	wb_buf_appendf(body, "],\"_count\":%lld}", (long long)p->items);
	charge = FEED_BASE_CHARGE + (double)p->bytes / 1024;
	session_number = spend(x, range, charge);
	wb_exchange_head(x, 200, charge);
	wb_exchange_range_headers(x, range, session_number);
	wb_buf_appendf(&x->reply->head, "x-ms-item-count: %lld\r\n", (long long)p->items);
	if (p->more) {
		(void)snprintf(text, sizeof text, "%s:%llu", p->container->ranges[p->range]->id,
			(unsigned long long)p->after); /* fits: two numbers */
		wb_exchange_reply_header(x, "x-ms-continuation", wb_slice_cstr(text));
	}
}

static void page_with_faults(struct wb_exchange *x, struct page *p)
{
	const struct wb_fault_target target = {
		.operation = p->query ? WB_OPERATION_QUERY : WB_OPERATION_FEED,
		.container = wb_slice_cstr(p->container->name),
		.range = p->only ? wb_slice_cstr(p->only->id) : wb_slice(NULL, 0),
		.client = wb_exchange_header(x, "user-agent"),
	};

	if (open_page(x, p))
		wb_with_faults(x, &target, 1, run_page, p);
}

void wb_feed_route(struct wb_exchange *x, struct wb_container *container)
{
	struct page p = { .container = container };

	page_with_faults(x, &p);
}

/* The next word, separated by white space; empty at the end. */
static struct wb_slice next_word(struct wb_slice *text)
{
	size_t start = 0, end;

	while (start < text->len && isspace((unsigned char)text->data[start]))
		start++;
	end = start;
	while (end < text->len && !isspace((unsigned char)text->data[end]))
		end++;
	*text = (struct wb_slice){ text->data + end, text->len - end };
	return wb_slice(text->data - (end - start), end - start);
}

static bool word_is(struct wb_slice word, const char *literal)
{
	return word.len == strlen(literal) && strncasecmp(word.data, literal, word.len) == 0;
}

static bool is_identifier(struct wb_slice word)
{
	if (word.len == 0 || isdigit((unsigned char)word.data[0]))
		return false;
	for (size_t i = 0; i < word.len; i++)
		if (!isalnum((unsigned char)word.data[i]) && word.data[i] != '_')
			return false;
	return !word_is(word, "where") && !word_is(word, "order") && !word_is(word, "join");
}

bool wb_query_selects_all(struct wb_slice text)
{
	struct wb_slice alias;

	while (text.len && (isspace((unsigned char)text.data[text.len - 1]) || text.data[text.len - 1] == ';'))
		text.len--;
	if (!word_is(next_word(&text), "select") || !word_is(next_word(&text), "*") ||
		!word_is(next_word(&text), "from") || !is_identifier(next_word(&text)))
		return false;
	alias = next_word(&text);
	if (word_is(alias, "as"))
		alias = next_word(&text);
	else if (alias.len == 0)
		return true;
	return is_identifier(alias) && next_word(&text).len == 0;
}

static void plan_reply(struct wb_exchange *x)
{
	wb_exchange_begin(x, 200, 0);
	wb_buf_append_cstr(&x->reply->body,
		"{\"partitionedQueryExecutionInfoVersion\":2,\"queryInfo\":{\"distinctType\":\"None\",\"top\":null,"
		"\"offset\":null,\"limit\":null,\"orderBy\":[],\"orderByExpressions\":[],\"groupByExpressions\":[],"
		"\"groupByAliases\":[],\"aggregates\":[],\"groupByAliasToAggregateType\":{},\"rewrittenQuery\":\"\","
		"\"hasSelectValue\":false,\"dCountInfo\":null,\"hasNonStreamingOrderBy\":false},"
		"\"queryRanges\":[{\"min\":\"\",\"max\":\"FF\",\"isMinInclusive\":true,\"isMaxInclusive\":false}]}");
}

void wb_query_route(struct wb_exchange *x, struct wb_container *container)
{
	struct page p = { .container = container, .query = true };
	json_t *json = json_loadb(x->request->body.data, x->request->body.len, 0, NULL);
	const char *text = json_string_value(json_object_get(json, "query"));
	bool all = text && wb_query_selects_all(wb_slice_cstr(text));

	json_decref(json);
	if (!all)
		wb_exchange_error(x, 400, 0, -1, "The sandbox answers SELECT * FROM c, and no other query.");
	else if (wb_exchange_flag(x, "x-ms-cosmos-is-query-plan-request"))
		plan_reply(x);
	else
		page_with_faults(x, &p);
}

/* Ranges may be split or merged between two pieces, but documents keep their numbers, which no two of a container
 * share: the stream goes through all of them in the order of numbers. */
struct wb_document_stream {
	struct wb_container *container;
	uint64_t after;
};

struct wb_document_stream *wb_document_stream_new(struct wb_container *container)
{
	struct wb_document_stream *s = wb_xcalloc(1, sizeof *s);

	s->container = container;
	return s;
}

void wb_document_stream_free(void *stream)
{
	struct wb_document_stream *s = stream;

	wb_container_release(&s->container);
	free(s);
}

/* A line end in a document can only be white space between its tokens: a space says the same. */
static void stream_line(const struct wb_item *item, struct wb_buf *buf)
{
	size_t at;

	wb_buf_append_cstr(buf, "{\"id\":");
	wb_buf_append_json_string(buf, wb_item_id(item));
	wb_buf_append_cstr(buf, ",\"pk\":");
	wb_buf_append_slice(buf, wb_item_pk(item));
	wb_buf_append_cstr(buf, ",\"document\":");
	at = buf->len;
	wb_buf_append_slice(buf, wb_item_body(item));
	for (char *p = buf->data + at; p < buf->data + buf->len; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	wb_buf_append_cstr(buf, "}\n");
}

/* The item with the least number behind `after`, and the number at which another range has one (UINT64_MAX: none). */
static const struct wb_item *first_after(
	const struct wb_container *c, uint64_t after, struct wb_store **ret_store, uint64_t *ret_until)
{
	const struct wb_item *first = NULL;

	*ret_until = UINT64_MAX;
	for (unsigned i = 0; i < c->range_count; i++) {
		const struct wb_item *item = wb_store_after(&c->ranges[i]->store, after);

		if (!item)
			continue;
		if (!first || item->number < first->number) {
			*ret_until = first ? first->number : *ret_until;
			first = item;
			*ret_store = &c->ranges[i]->store;
		} else if (item->number < *ret_until) {
			*ret_until = item->number;
		}
	}
	return first;
}

bool wb_document_stream_next(void *stream, struct wb_buf *buf)
{
	struct wb_document_stream *s = stream;
	const struct wb_item *item;
	struct wb_store *store;
	uint64_t until;

	/* A piece is copied in no time, so all ranges stand still meanwhile. */
	wb_rwlock_write(&s->container->structure);
	for (unsigned i = 0; i < s->container->range_count; i++)
		wb_store_expire(&s->container->ranges[i]->store, (uint32_t)(wb_clock_wall_ms() / 1000));
	while ((item = first_after(s->container, s->after, &store, &until)) && buf->len < STREAM_PIECE_BYTES) {
		for (; item && item->number < until && buf->len < STREAM_PIECE_BYTES;
			item = wb_store_next(store, item)) {
			s->after = item->number;
			stream_line(item, buf);
		}
	}
	wb_rwlock_unlock(&s->container->structure);
	return item != NULL;
}
