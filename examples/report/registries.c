#include "examples/report/registries.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name, *code_member;
} registries[] = {
	{ "639-3", "alpha_3" },
	{ "639-5", "alpha_3" },
	{ "3166-1", "alpha_2" },
	{ "3166-2", "code" },
	{ "3166-3", "alpha_4" },
	{ "4217", "alpha_3" },
	{ "15924", "alpha_4" },
};

static enum wb_err add_file(const char *dir, size_t which, struct registry_list *list, struct wb_error *e)
{
	const char *name = registries[which].name, *member = registries[which].code_member;
	char path[4096];
	json_error_t problem;
	json_t *file, *entries, *entry;
	size_t i;

	if (snprintf(path, sizeof path, "%s/iso_%s.json", dir, name) >= (int)sizeof path)
		return wb_error_set(e, WB_EINVAL, "path too long: %s", dir);
	file = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
	if (!file)
		return wb_error_set(e, WB_EIO, "%s: line %d: %s", path, problem.line, problem.text);
	entries = json_object_get(file, name);
	if (json_array_append_new(list->files, file) != 0)
		return wb_error_set(e, WB_ENOMEM, "%s: out of memory", path);
	if (!json_is_array(entries))
		return wb_error_set(e, WB_EINVAL, "%s: no array \"%s\"", path, name);
	list->entries = wb_xrealloc(
		list->entries, (list->count + json_array_size(entries) + 1) * sizeof *list->entries);
	json_array_foreach(entries, i, entry) {
		const char *code = json_string_value(json_object_get(entry, member));

		if (!code)
			return wb_error_set(e, WB_EINVAL, "%s: entry %zu has no \"%s\"", path, i, member);
		list->entries[list->count++] = (struct registry_entry){ name, code, entry };
	}
	return WB_OK;
}

enum wb_err registry_list_read(const char *dir, struct registry_list *ret, struct wb_error *e)
{
	struct registry_list list = { .files = json_array() };
	enum wb_err err = WB_OK;

	for (size_t i = 0; i < WB_ARRAY_LEN(registries) && err == WB_OK; i++)
		err = add_file(dir, i, &list, e);
	if (err != WB_OK)
		registry_list_release(&list);
	else
		*ret = list;
	return err;
}

void registry_list_release(struct registry_list *list)
{
	free(list->entries);
	json_decref(list->files);
	*list = (struct registry_list){ 0 };
}
