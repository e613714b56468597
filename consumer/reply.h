/* A reply to a request to Cosmos DB, as the transport hands it on. Plain data. */
#ifndef WB_CONSUMER_REPLY_H
#define WB_CONSUMER_REPLY_H

#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_reply {
	int status;             /* 0: no reply; error says why */
	int substatus;
	int64_t retry_after_ms; /* -1: not given */
	double request_charge;
	char activity_id[64];
	char etag[128];
	char session_token[256]; /* "" when there is none, or a longer one */
	char continuation[1024]; /* x-ms-continuation; too long a one is cut and truncated_continuation set */
	bool truncated_continuation;
	struct wb_slice body; /* valid during the callback */
	const char *error;    /* curl's words when status is 0; NULL else */
	bool timed_out;
	bool held_back; /* nothing of the request was sent: the transport's guard did not let it */
};

#endif
