/* Reads the ledger's topics once and makes events of them (audit_event.h).
 *
 * In an order in which what is read later explains what was read before, though the programs go on working: the group's
 * committed offsets; then the results, which hold an outcome for everything below those; then the letters, which were there
 * before the outcomes that speak of them; then the writes. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_AUDIT_READ_H
#define WB_DEADLETTER_AUDIT_READ_H

#include "common/base/log.h"
#include "common/kafka/options.h"
#include "deadletter/audit_judge.h"
#include "deadletter/audit_sort.h"

struct wb_audit_read_settings {
	const struct wb_kafka_options *kafka;
	const char *group;  /* of the consumers */
	int64_t since_ms;   /* wall clock; 0: from the first record on */
	int64_t now_ms;     /* wall clock */
	int64_t timeout_ms; /* how long Kafka may be silent */
	/* Called about ten times a second; may be NULL. done and total are records of the topic that is read. */
	void (*progress)(void *arg, const char *topic, int64_t done, int64_t total);
	void *progress_arg;
};

/* What was read. Release what wb_audit_read filled, also after an error. */
struct wb_audit_read {
	struct wb_audit_scope scope;
	char **topics; /* the topics of writes by their number: topic.writes, and others that outcomes or letters name */
	size_t topic_count, topic_cap;
	bool group_known; /* the group has a committed offset somewhere */
	uint64_t records; /* in all topics */
	uint64_t unreadable; /* records of the results topic that are none */
	uint64_t foreign_letters; /* that say neither job nor origin */
};
void wb_audit_read_release(struct wb_audit_read *r);

/* Adds events to sort. WB_EINVAL with a sentence for wrong options; WB_EIO, WB_ETIMEDOUT, WB_EFATAL or WB_ENOTFOUND when Kafka
 * cannot be read, or the temporary file is full. */
enum wb_err wb_audit_read(const struct wb_audit_read_settings *settings, struct wb_audit_sort *sort,
	struct wb_audit_read *ret, struct wb_log *log, struct wb_error *e) WB_MUST_USE;

#endif
