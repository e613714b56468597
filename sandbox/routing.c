#include "sandbox/routing.h"

#include "common/base/strict.h"

#define SUBSTATUS_WRITE_FORBIDDEN   3
#define SUBSTATUS_NAME_CACHE_STALE  1000
#define SUBSTATUS_ACCOUNT_NOT_FOUND 1008
#define SUBSTATUS_RID_MISMATCH      1024

static bool gone(struct wb_exchange *x, struct wb_container *c, unsigned substatus)
{
	atomic_fetch_add(&c->gone_requests, 1);
	wb_exchange_error(x, 410, substatus, -1,
		substatus == SUBSTATUS_NAME_CACHE_STALE        ? "The container was deleted and made anew."
			: substatus == WB_SUBSTATUS_RANGE_GONE ? "The requested partition key range is gone."
							       : "The partition key range is being moved.");
	return false;
}

static bool is_completing(const struct wb_exchange *x, const struct wb_range *r)
{
	return r && x->now.mono_ms < r->completing_until_ms;
}

/* The Java client writes the container's resource id and a comma before the range's id. */
static bool names_other_container(const struct wb_container *c, struct wb_slice id)
{
	const char *comma = memchr(id.data, ',', id.len);

	return comma && !wb_slice_eq_cstr(wb_slice(id.data, (size_t)(comma - id.data)), c->rid);
}

static bool was_of_earlier_container(const struct wb_container *c, struct wb_slice id)
{
	int64_t number;

	return wb_strict_int64(id, 0, UINT32_MAX, &number, NULL) == WB_OK && number < c->first_range;
}

static bool admit_range(struct wb_exchange *x, struct wb_container *c, struct wb_slice id)
{
	const struct wb_range *r;

	if (names_other_container(c, id))
		return gone(x, c, SUBSTATUS_NAME_CACHE_STALE);
	r = wb_container_range_by_id(c, id);
	if (r && !is_completing(x, r))
		return true;
	if (!r)
		r = wb_container_retired_by_id(c, id);
	if (is_completing(x, r))
		return gone(x, c, r->completing_substatus);
	return gone(x, c, !r && was_of_earlier_container(c, id) ? SUBSTATUS_NAME_CACHE_STALE : WB_SUBSTATUS_RANGE_GONE);
}

/* A malformed key is somebody else's to refuse. */
static bool admit_key(struct wb_exchange *x, struct wb_container *c, struct wb_slice text)
{
	const struct wb_range *r;
	struct wb_pk key;
	struct wb_epk epk;

	if (wb_document_scratch_clear(&x->scratch->strings) ||
		wb_pk_parse(text, c->key.paths.count, &x->scratch->strings, &key, NULL))
		return true;
	wb_pk_hash(c->key.kind, &key, &epk);
	r = wb_container_range_of(c, &epk);
	return !is_completing(x, r) || gone(x, c, r->completing_substatus);
}

bool wb_routing_admit(struct wb_exchange *x, struct wb_container *c)
{
	struct wb_slice rid = wb_exchange_header(x, "x-ms-cosmos-intended-collection-rid");
	struct wb_slice range = wb_exchange_header(x, "x-ms-documentdb-partitionkeyrangeid");
	struct wb_slice key = wb_exchange_header(x, "x-ms-documentdb-partitionkey");

	if (rid.len && !wb_slice_eq_cstr(rid, c->rid)) {
		wb_exchange_error(x, 400, SUBSTATUS_RID_MISMATCH, -1,
			"The container has another resource id than the request intends.");
		return false;
	}
	if (range.len)
		return admit_range(x, c, range);
	return !key.len || x->now.mono_ms >= c->completing_until_ms || admit_key(x, c, key);
}

bool wb_routing_location(struct wb_exchange *x, bool writes)
{
	if (x->location == atomic_load(&x->state->write_location))
		return true;
	if (atomic_load(&x->state->location_removed[x->location])) {
		wb_exchange_error(
			x, 403, SUBSTATUS_ACCOUNT_NOT_FOUND, -1, "The account is no longer in this location.");
		return false;
	}
	if (!writes)
		return true;
	wb_exchange_error(
		x, 403, SUBSTATUS_WRITE_FORBIDDEN, -1, "The requested operation cannot be performed at this location.");
	return false;
}
