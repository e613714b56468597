/* The topics are checked at start, and what is wrong with them is said exactly: missing, too few bytes a message,
 * compacted where it must not be, retention shorter than needed.
 *
 * topic.create=true makes those that are missing as design and docs/CONTRACT.md say; existing ones are never changed.
 * Clusters that cannot describe configurations (some emulations) are checked for existence only, with a warning.
 * Thread-safe.
 */
#ifndef WB_COMMON_KAFKA_TOPICS_H
#define WB_COMMON_KAFKA_TOPICS_H

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/kafka/options.h"

/* READS: this program reads the writes topic and does not publish to it, so that a compacted one is a warning. */
enum wb_topic_use { WB_TOPIC_WRITES = 1, WB_TOPIC_RESULTS = 2, WB_TOPIC_DEAD_LETTERS = 4, WB_TOPIC_READS = 8 };

/* uses: the topics that the program needs, or-ed; 0: only whether the options are right and a broker answers. Waits up
 * to timeout_ms for the cluster to answer. Logs (info, warn) what was created or only partly checked. WB_EINVAL with a
 * sentence that names topic, setting, value and what is needed; WB_ETIMEDOUT when no broker answered. */
enum wb_err wb_topics_check(const struct wb_kafka_options *options, unsigned uses, int64_t timeout_ms,
	struct wb_log *log, struct wb_error *e) WB_MUST_USE;
/* As above, with count more topics of writes, which are only read: they must exist (or are created), of dead letters no
 * record of theirs may be too large, and their own limits are theirs. key: the option that names them. */
enum wb_err wb_topics_check_more(const struct wb_kafka_options *options, unsigned uses, const char *key,
	const char *const *more, size_t count, int64_t timeout_ms, struct wb_log *log, struct wb_error *e) WB_MUST_USE;
/* How long the topic of dead letters keeps its records: -1 for ever, 0 when the cluster does not tell. */
enum wb_err wb_topics_letters_retention(const struct wb_kafka_options *options, int64_t timeout_ms, struct wb_log *log,
	int64_t *ret_ms, struct wb_error *e) WB_MUST_USE;

#endif
