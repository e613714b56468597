/* Callbacks as a part of the service: from its options to rules, secrets and the group, and between the job view, the
 * results topic and the callbacks.
 *
 * Not thread-safe but for wb_callback_service_ended; one owner, who starts and stops it.
 */
#ifndef WB_PRODUCER_CALLBACK_SERVICE_H
#define WB_PRODUCER_CALLBACK_SERVICE_H

#include "common/base/error.h"
#include "common/base/lifecycle.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/kafka/options.h"
#include "common/kafka/producer.h"
#include "producer/callback_rules.h"
#include "producer/job_view.h"
#include "producer/options.h"
#include "producer/webhook.h"

struct wb_callback_service; /* opaque */

struct wb_callback_service_settings {
	const struct wb_callback_options *options; /* with hosts */
	const struct wb_callback_rules *rules;     /* these two stay the caller's */
	const struct wb_webhook_secrets *secrets;
	const struct wb_kafka_options *kafka;
	struct wb_kafka_producer *producer; /* outcomes go through it */
	const char *client_id, *user_agent;
	struct wb_metrics *metrics;
	struct wb_lifecycle *lifecycle; /* stopped with exit code 1 when the group does not take us any more */
	struct wb_log *log;
};

/* What options say: rules (to be freed), also for the request side, and secrets; without hosts none of both. WB_EINVAL
 * with a sentence that names the key. */
enum wb_err wb_callback_service_configure(const struct wb_callback_options *options,
	struct wb_callback_rules **ret_rules, struct wb_webhook_secrets *ret_secrets, struct wb_error *e) WB_MUST_USE;

/* NULL with a sentence. Nothing runs yet. */
struct wb_callback_service *wb_callback_service_new(
	const struct wb_callback_service_settings *settings, struct wb_error *e) WB_MUST_USE;
/* For the view's settings: a job with a callback has ended. Any thread. */
void wb_callback_service_ended(void *service, const struct wb_job_info *info);
/* Joins the group and begins. */
enum wb_err wb_callback_service_start(
	struct wb_callback_service *s, struct wb_job_view *view, struct wb_error *e) WB_MUST_USE;
/* No attempt starts any more; those under way have until deadline_ms (monotonic). */
void wb_callback_service_quiesce(struct wb_callback_service *s, int64_t deadline_ms);
/* After quiesce: waits for that and leaves the group. Needs the view and the producer still. NULL is fine. */
void wb_callback_service_stop(struct wb_callback_service *s);
/* After the producer was freed and the view was stopped. */
void wb_callback_service_free(struct wb_callback_service **service);

#endif
