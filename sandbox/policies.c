#include "sandbox/policies.h"

static bool is_absent(const json_t *value)
{
	return !value || json_is_null(value);
}

static enum wb_err read_ttl(const json_t *value, int32_t *ret, struct wb_error *e)
{
	json_int_t ttl = json_integer_value(value);

	if (is_absent(value))
		return WB_OK;
	if (!json_is_integer(value) || ttl == 0 || ttl < -1 || ttl > INT32_MAX)
		return wb_error_set(
			e, WB_EINVAL, "defaultTtl must be -1 or a number of seconds from 1 to %d", INT32_MAX);
	*ret = (int32_t)ttl;
	return WB_OK;
}

static enum wb_err read_key(const json_t *paths, struct wb_unique_keys *ret, struct wb_error *e)
{
	size_t i;
	json_t *path;

	if (!json_is_array(paths) || json_array_size(paths) == 0)
		return wb_error_set(e, WB_EINVAL, "a unique key needs \"paths\"");
	json_array_foreach(paths, i, path) {
		enum wb_err err;

		if (!json_is_string(path))
			return wb_error_set(e, WB_EINVAL, "a path of a unique key must be a string");
		err = wb_unique_keys_add(ret, i == 0, wb_slice_cstr(json_string_value(path)), e);
		if (err)
			return err;
	}
	return WB_OK;
}

enum wb_err wb_policies_read(const json_t *definition, struct wb_policies *ret, struct wb_error *e)
{
	const json_t *policy = json_object_get(definition, "uniqueKeyPolicy");
	const json_t *keys = json_object_get(policy, "uniqueKeys");
	enum wb_err err;
	json_t *key;
	size_t i;

	*ret = (struct wb_policies){ 0 };
	err = read_ttl(json_object_get(definition, "defaultTtl"), &ret->default_ttl_s, e);
	if (!err && !is_absent(keys) && !json_is_array(keys))
		err = wb_error_set(e, WB_EINVAL, "uniqueKeys must be an array");
	json_array_foreach(keys, i, key) {
		if (err)
			break;
		err = read_key(json_object_get(key, "paths"), &ret->unique, e);
	}
	return err;
}

void wb_policies_release(struct wb_policies *p)
{
	wb_unique_keys_release(&p->unique);
	*p = (struct wb_policies){ 0 };
}
