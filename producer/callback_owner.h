/* Which partitions of the results topic this instance calls back for: a member of a consumer group that reads nothing.
 *
 * The group's only use is that each partition has one owner. All partitions are paused and no offset is committed, since
 * what is still to be called stands in the topic itself. A partition that goes to another instance is kept until its
 * owner says that it is idle, for at most drain_ms, so that the other one does not call what is being called.
 * Not thread-safe: one owner, which calls serve again and again (every 100 ms at least); the functions it gave run there.
 */
#ifndef WB_PRODUCER_CALLBACK_OWNER_H
#define WB_PRODUCER_CALLBACK_OWNER_H

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/kafka/options.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_callback_owner; /* opaque */

struct wb_callback_owner_settings {
	const struct wb_kafka_options *kafka;
	const char *group_id, *client_id;
	int64_t drain_ms;
	struct wb_log *log;
	/* The partition is ours. */
	void (*assigned)(void *arg, int32_t partition);
	/* It will be another's: nothing new may start. */
	void (*leaving)(void *arg, int32_t partition);
	/* Whether nothing of it is under way. */
	bool (*idle)(void *arg, int32_t partition);
	/* It is another's. */
	void (*gone)(void *arg, int32_t partition);
	void *arg;
};

/* Joins in the background. NULL with a sentence for wrong options. */
struct wb_callback_owner *wb_callback_owner_new(
	const struct wb_callback_owner_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Hears what the group has to say; never blocks for more than some milliseconds. WB_EFATAL, with a sentence, when the
 * membership is gone for good. */
enum wb_err wb_callback_owner_serve(struct wb_callback_owner *o, struct wb_error *e) WB_MUST_USE;
/* Leaves the group (up to some seconds), so that others take over at once, and frees. */
void wb_callback_owner_free(struct wb_callback_owner **o);

#endif
