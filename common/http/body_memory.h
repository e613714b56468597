/* Memory for gathered bodies. A large one is a mapping of its own: it grows without being copied, and goes back to the
 * system at once, where an allocator would keep pieces of it that the next, larger body cannot use.
 *
 * Which of both it is follows from its size alone, so a body is always told with the size that it has.
 * Thread-safe.
 */
#ifndef WB_COMMON_HTTP_BODY_MEMORY_H
#define WB_COMMON_HTTP_BODY_MEMORY_H

#include "common/base/compiler.h"

#include <stddef.h>

/* From here on bodies are mappings. */
#define WB_BODY_MAPPED_BYTES (512 * 1024)

/* Makes data, which has old bytes (NULL: none), have size bytes, size > 0; what both have stays. NULL: no memory, and
 * data is as it was. */
char *wb_body_memory_resize(char *data, size_t old, size_t size) WB_MUST_USE;
/* data may be NULL. */
void wb_body_memory_free(char *data, size_t size);

#endif
