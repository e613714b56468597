#include "common/contract/condition.h"

#include <stdbool.h>

/* An entity tag as HTTP has it (RFC 9110, section 8.8.3), or *; the service's are ASCII. A space would not reach the
 * service whole in a header. */
static bool is_etag(struct wb_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] <= ' ' || s.data[i] > '~')
			return false;
	}
	return s.len > 0 && s.len <= WB_ETAG_LEN_MAX;
}

/* The service ignores If-Match on a create and If-None-Match on all but upserts (Microsoft.Azure.Cosmos, remarks of
 * RequestOptions.IfMatchEtag and IfNoneMatchEtag): such a write would take effect although its condition fails. */
enum wb_err wb_condition_check(enum wb_op op, struct wb_slice if_match, struct wb_slice if_none_match,
	const struct wb_condition_names *names, struct wb_error *why)
{
	bool none = if_none_match.data != NULL;
	struct wb_slice condition = none ? if_none_match : if_match;
	const char *name = none ? names->if_none_match : names->if_match;

	if (!condition.data)
		return WB_OK;
	if (none && if_match.data)
		return wb_error_set(why, WB_EINVAL, "%s and %s are both given; a write has one condition at most",
			names->if_match, names->if_none_match);
	if (!is_etag(condition))
		return wb_error_set(why, WB_EINVAL,
			"%s is neither * nor an etag: 1 to %d characters of printable ASCII, none a space", name,
			WB_ETAG_LEN_MAX);
	if (!none && op == WB_OP_CREATE)
		return wb_error_set(
			why, WB_EINVAL, "%s is given with create; upsert, replace, delete and patch may have it", name);
	if (none && op != WB_OP_UPSERT && !(op == WB_OP_CREATE && wb_slice_eq_cstr(condition, "*")))
		return wb_error_set(why, WB_EINVAL, "%s is given with %s; upsert may have it, and create with *", name,
			wb_op_text(op));
	return WB_OK;
}
