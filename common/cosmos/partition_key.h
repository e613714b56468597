/* Cosmos DB partition keys: from a document's values to the canonical text and the effective partition key.
 *
 * Hash version 2 ("V2"): every component is encoded, strings whole, the concatenation hashed by MurmurHash3 x64 128,
 * the two top bits cleared. MultiHash (hierarchical keys): V2 of each component, one after the other. Version 1: the
 * 32-bit hash of the component, strings cut at 100 UTF-16 units, then the component itself, in bytes that sort. Vectors of
 * Microsoft's SDKs are the tests. Canonical means that 1.0 and 1 are one key; -0 and 0 hash differently, as in the SDKs.
 * Pure, thread-safe.
 */
#ifndef WB_COMMON_COSMOS_PARTITION_KEY_H
#define WB_COMMON_COSMOS_PARTITION_KEY_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/json_scan.h"
#include "common/contract/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_PK_STRING_MAX 2048 /* bytes of a partition key value */
#define WB_EPK_SIZE_MAX  128   /* bytes; V2 has 16, MultiHash 16 per component, V1 up to 112 */

/* As definitions say: kind "Hash" with version 2, or with version 1 or none; kind "MultiHash" (always version 2). */
enum wb_pk_kind { WB_PK_HASH_V2, WB_PK_HASH_V1, WB_PK_MULTI_HASH };

/* How a container's documents are partitioned. */
struct wb_pk_definition {
	enum wb_pk_kind kind;
	struct wb_json_paths paths;
};

enum wb_pk_type { WB_PK_UNDEFINED, WB_PK_NULL, WB_PK_FALSE, WB_PK_TRUE, WB_PK_NUMBER, WB_PK_STRING };

struct wb_pk_component {
	enum wb_pk_type type;
	double number;
	struct wb_slice string; /* decoded UTF-8 */
};
struct wb_pk {
	struct wb_pk_component component[WB_JSON_PATHS_MAX];
	unsigned count;
};

/* An effective partition key; compared as bytes, the shorter one padded with zeros. */
struct wb_epk {
	uint8_t len;
	uint8_t bytes[WB_EPK_SIZE_MAX];
};

/* Turns the values found at the definition's paths into a key. Decoded strings point into the values or into
 * scratch (which must have room for all of them: see wb_json_string_decode).
 * NONE, or INVALID_PARTITION_KEY (an object or array, a lone surrogate, a string beyond the limit) with why. */
enum wb_reason wb_pk_from_values(const struct wb_json_value *values, unsigned count, struct wb_buf *scratch,
	struct wb_pk *ret, struct wb_error *why) WB_MUST_USE;
/* Reads the text form: a JSON array of scalars, {} for undefined; as wb-partition-key and "partitionKey" carry it.
 * expected: number of components, 0 for any (1 to 3). */
enum wb_reason wb_pk_parse(struct wb_slice text, unsigned expected, struct wb_buf *scratch, struct wb_pk *ret,
	struct wb_error *why) WB_MUST_USE;
/* Whether two keys name the same: by value, so that 1.0 is 1 and 0 is -0. */
bool wb_pk_equal(const struct wb_pk *a, const struct wb_pk *b);
/* Appends the canonical text: ["a"], [5], [null], [{}]; characters above U+007E escaped as \uXXXX, as the
 * x-ms-documentdb-partitionkey header needs them. Numbers in the shortest form that reads back equal. */
void wb_pk_text(const struct wb_pk *pk, struct wb_buf *ret);
/* The hash. count of pk and of the definition's paths agree; kind "Hash" has one path on the service, so a V1 key of
 * several values has no place for all of them behind its hash. */
void wb_pk_hash(enum wb_pk_kind kind, const struct wb_pk *pk, struct wb_epk *ret);

/* The border of the keys' space at position / 2^62 of all hashes (position < 2^62): equal steps hold equal shares of
 * them. MultiHash: of the first component. */
void wb_pk_border(enum wb_pk_kind kind, uint64_t position, struct wb_epk *ret);

/* < 0, 0, > 0, as memcmp. */
int wb_epk_compare(const struct wb_epk *a, const struct wb_epk *b);
/* Reads hex digits of either case ("" is the smallest key, "FF" above all keys). */
enum wb_err wb_epk_parse(struct wb_slice hex, struct wb_epk *ret) WB_MUST_USE;
/* Writes upper-case hex; ret has 2 * len + 1 bytes. */
void wb_epk_text(const struct wb_epk *epk, char *ret);

#endif
