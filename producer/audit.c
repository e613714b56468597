#include "producer/audit.h"

/* The list of fields ends at the first without a key, so what may be absent stands last. */
void wb_audit_job(struct wb_log *log, const struct wb_audit *audit)
{
	struct wb_log_field absent[4] = { WB_LOG_END, WB_LOG_END, WB_LOG_END, WB_LOG_END };
	size_t n = 0;

	if (audit->job.data)
		absent[n++] = WB_SLICE("job", audit->job);
	if (audit->peer.data)
		absent[n++] = WB_SLICE("peer", audit->peer);
	if (audit->database.data)
		absent[n++] = WB_SLICE("database", audit->database);
	if (audit->container.data)
		absent[n++] = WB_SLICE("container", audit->container);
	wb_log_later(log, "job", WB_STR("principal", audit->principal), WB_INT("status", audit->status),
		WB_STR("op", audit->op), WB_INT("count", audit->count), WB_INT("bytes", audit->bytes),
		WB_BOOL("keyed", audit->keyed), absent[0], absent[1], absent[2], absent[3]);
}
