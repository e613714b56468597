/* The report's input: the ISO registries that Debian's package iso-codes installs, as one list of entries.
 *
 * 639-3 and 639-5 (languages), 3166-1, -2 and -3 (countries and regions), 4217 (currencies), 15924 (scripts).
 * Not thread-safe: one owner.
 */
#ifndef WB_EXAMPLES_REPORT_REGISTRIES_H
#define WB_EXAMPLES_REPORT_REGISTRIES_H

#include "common/base/error.h"

#include <jansson.h>

struct registry_entry {
	const char *registry; /* "3166-2"; a literal */
	const char *code;     /* "AD-02"; into entry */
	json_t *entry;        /* as the registry has it; owned by the list */
};
struct registry_list {
	struct registry_entry *entries;
	size_t count;
	json_t *files;        /* owns all entries */
};

/* Reads every registry from dir. WB_EIO or WB_EINVAL with a sentence that names the file. */
enum wb_err registry_list_read(const char *dir, struct registry_list *ret, struct wb_error *e) WB_MUST_USE;
void registry_list_release(struct registry_list *list);

#endif
