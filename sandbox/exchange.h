/* One request to the emulator and its reply: the parts of the path, the common headers, errors as the service writes
 * them.
 *
 * Not thread-safe: an exchange belongs to the loop that handles it.
 */
#ifndef WB_SANDBOX_EXCHANGE_H
#define WB_SANDBOX_EXCHANGE_H

#include "common/base/prng.h"
#include "sandbox/bulk.h"
#include "sandbox/catalog.h"
#include "sandbox/documents.h"
#include "sandbox/faults.h"
#include "sandbox/web.h"

#define WB_SEGMENTS_MAX  8
#define WB_LOCATIONS_MAX 8

/* What all requests share; read-only after start but where it says so. */
struct wb_emulator_state {
	struct wb_catalog *catalog;
	struct wb_faults *faults;
	struct wb_journal *journal;
	_Atomic int64_t range_limit;  /* request units per second and range, 0: none */
	_Atomic bool bulk_enabled;
	unsigned location_count;      /* of the account; each has a port */
	_Atomic uint16_t ports[WB_LOCATIONS_MAX];
	_Atomic unsigned write_location;
	_Atomic bool location_removed[WB_LOCATIONS_MAX];
	struct wb_store_budget budget;
};

/* Working memory of one loop. */
struct wb_exchange_scratch {
	struct wb_buf strings;   /* decoded strings of one operation */
	struct wb_buf texts;     /* decoded path, authorization and the like of one request */
	struct wb_buf ids;       /* decoded ids for faults */
	struct wb_prng random;
	struct wb_bulk bulk;
	struct wb_fault_target targets[WB_BULK_OPERATIONS_MAX];
};

struct wb_exchange {
	struct wb_emulator_state *state;
	struct wb_exchange_scratch *scratch;
	const struct wb_web_request *request;
	struct wb_web_reply *reply;
	struct wb_slice segments[WB_SEGMENTS_MAX]; /* of the path, decoded */
	unsigned segment_count;
	unsigned location;           /* which of the account's the request came to */
	struct wb_document_now now;
};

struct wb_exchange_scratch *wb_exchange_scratch_new(void);
void wb_exchange_scratch_free(struct wb_exchange_scratch **s);

/* Splits and decodes the path. false when it is no path that the emulator could have; then the reply is made. */
bool wb_exchange_open(struct wb_exchange *x);
/* Decodes s into memory that stays until the next request; {NULL, 0} when it is malformed or there is no room. */
struct wb_slice wb_exchange_decode(struct wb_exchange *x, struct wb_slice s);

bool wb_exchange_is(const struct wb_exchange *x, const char *method);
/* The value of a request header; {NULL, 0} when absent. */
struct wb_slice wb_exchange_header(const struct wb_exchange *x, const char *name);
/* Whether a header says "true" (of any case). */
bool wb_exchange_flag(const struct wb_exchange *x, const char *name);

/* The journal when it is on, else NULL. */
struct wb_journal *wb_exchange_journal(const struct wb_exchange *x);

/* Starts a JSON reply: status and the headers that every reply of the service has; the body is emptied. */
void wb_exchange_begin(struct wb_exchange *x, unsigned status, double charge);
/* The same for a body that is there already. */
void wb_exchange_head(struct wb_exchange *x, unsigned status, double charge);
/* value must not hold line ends. */
void wb_exchange_reply_header(struct wb_exchange *x, const char *name, struct wb_slice value);
/* A whole error reply: {"code":"NotFound","message":"…"}. retry_after_ms < 0: none. */
void wb_exchange_error(
	struct wb_exchange *x, unsigned status, unsigned substatus, int64_t retry_after_ms, const char *message);
/* Session token and range id, as every reply about a range carries them. */
void wb_exchange_range_headers(struct wb_exchange *x, const struct wb_range *range, uint64_t session_number);

#endif
