#include "deadletter/alert_text.h"

#include "common/base/clock.h"
#include "deadletter/text.h"

#define TITLE_REASONS 3
#define TEXT_CHARS    200

void wb_alert_span(int64_t ms, struct wb_buf *ret)
{
	int64_t s = ms > 0 ? ms / 1000 : 0, min = s / 60, h = min / 60, d = h / 24;

	if (min == 0)
		wb_buf_appendf(ret, "%lld s", (long long)s);
	else if (h == 0)
		wb_buf_appendf(ret, "%lld min", (long long)min);
	else if (d == 0)
		wb_buf_appendf(ret, min % 60 ? "%lld h %lld min" : "%lld h", (long long)h, (long long)(min % 60));
	else
		wb_buf_appendf(ret, h % 24 ? "%lld d %lld h" : "%lld d", (long long)d, (long long)(h % 24));
}

void wb_alert_time(int64_t wall_ms, struct wb_buf *ret)
{
	char text[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(wall_ms, text);
	wb_buf_appendf(ret, "%.10s %.8s UTC", text, text + 11);
}

static void put_count(struct wb_buf *ret, uint64_t count, const char *one, const char *many)
{
	wb_buf_appendf(ret, "%llu %s", (unsigned long long)count, count == 1 ? one : many);
}

static void put_safe(struct wb_buf *ret, const char *text)
{
	(void)wb_text_line(ret, wb_slice_cstr(text), TEXT_CHARS);
}

static void put_new_reasons(const struct wb_alert *alert, struct wb_buf *ret)
{
	unsigned named = 0, more = 0;

	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *count = &alert->reason[i];

		if (count->fresh == 0 || count->fresh != count->all)
			continue;
		if (named == TITLE_REASONS) {
			more++;
			continue;
		}
		wb_buf_appendf(ret, "%s%s (%llu)", named++ ? ", " : "", wb_alert_reason_text(i),
			(unsigned long long)count->fresh);
	}
	if (more)
		wb_buf_appendf(ret, " and %u more reason%s", more, more == 1 ? "" : "s");
}

static void letters_title(const struct wb_alert *alert, struct wb_buf *ret)
{
	switch (alert->kind) {
	case WB_ALERT_FIRST:
		wb_buf_append_cstr(ret, "Dead letters: ");
		put_new_reasons(alert, ret);
		break;
	case WB_ALERT_THRESHOLD:
		put_count(ret, alert->in_window, "dead letter", "dead letters");
		wb_buf_append_cstr(ret, " within ");
		wb_alert_span(alert->window_ms, ret);
		break;
	case WB_ALERT_DIGEST:
		put_count(ret, alert->fresh, "more dead letter", "more dead letters");
		wb_buf_appendf(ret, ", %llu since ", (unsigned long long)alert->all);
		wb_alert_time(alert->since_ms, ret);
		break;
	default:
		wb_buf_append_cstr(ret, "No new dead letters for ");
		wb_alert_span(alert->at_ms - alert->last_ms, ret);
		wb_buf_appendf(ret, ", %llu in all", (unsigned long long)alert->all);
		break;
	}
}

void wb_alert_title(const struct wb_alert *alert, struct wb_buf *ret)
{
	if (wb_alert_is_letters(alert->kind)) {
		letters_title(alert, ret);
		return;
	}
	if (alert->kind == WB_ALERT_EXPIRY) {
		put_count(ret, alert->expiring, "open dead letter ends", "open dead letters end");
		wb_buf_append_cstr(ret, " soon, the first at ");
		wb_alert_time(alert->expires_ms, ret);
		return;
	}
	if (alert->kind == WB_ALERT_TEST) {
		wb_buf_append_cstr(ret, "Test of alerts");
		return;
	}
	wb_buf_append_cstr(ret, "Consumer group ");
	(void)wb_text_line(ret, wb_slice_cstr(alert->group), 60);
	if (alert->kind == WB_ALERT_STALLED) {
		wb_buf_appendf(ret, " stands still, %lld records wait", (long long)alert->lag);
	} else if (alert->kind == WB_ALERT_MOVING) {
		wb_buf_append_cstr(ret, " goes on");
	} else if (alert->kind == WB_ALERT_RETENTION) {
		wb_buf_append_cstr(ret, " is ");
		wb_alert_span(alert->oldest_age_ms, ret);
		wb_buf_append_cstr(ret, " behind, Kafka keeps records for ");
		wb_alert_span(alert->retention_ms, ret);
	} else {
		wb_buf_append_cstr(ret, " is no longer near the topic's retention");
	}
}

static void letters_lead(const struct wb_alert *alert, struct wb_buf *ret)
{
	if (alert->kind == WB_ALERT_RECOVERED) {
		wb_buf_append_cstr(ret, "The last letter died at ");
		wb_alert_time(alert->last_ms, ret);
		wb_buf_append_cstr(ret, ". ");
		put_count(ret, alert->all, "letter has", "letters have");
		wb_buf_append_cstr(ret, " died since ");
		wb_alert_time(alert->since_ms, ret);
		wb_buf_append_cstr(ret, "; those that were not replayed or discarded still wait.");
		return;
	}
	put_count(ret, alert->fresh, "write", "writes");
	wb_buf_append_cstr(ret, " could not be written and will not be tried again by itself");
	if (alert->fresh != alert->all)
		wb_buf_appendf(ret, ", %llu since ", (unsigned long long)alert->all);
	if (alert->fresh != alert->all)
		wb_alert_time(alert->since_ms, ret);
	wb_buf_append_cstr(ret, ". The dead-letter topic has each one as it was.");
}

static void group_lead(const struct wb_alert *alert, struct wb_buf *ret)
{
	if (alert->kind == WB_ALERT_STALLED) {
		wb_buf_append_cstr(ret, "It has committed nothing since ");
		wb_alert_time(alert->moved_ms, ret);
		wb_buf_appendf(ret, ", while its lag grew from %lld to %lld records.", (long long)alert->lag_before,
			(long long)alert->lag);
	} else if (alert->kind == WB_ALERT_RETENTION) {
		wb_buf_append_cstr(ret, "The oldest record that it has not read is ");
		wb_alert_span(alert->oldest_age_ms, ret);
		wb_buf_append_cstr(ret, " old. Kafka deletes records after ");
		wb_alert_span(alert->retention_ms, ret);
		wb_buf_append_cstr(
			ret, ": writes will be lost unless the group catches up or the topic keeps them longer.");
	} else {
		wb_buf_appendf(ret, "Its lag is %lld record%s now.", (long long)alert->lag, alert->lag == 1 ? "" : "s");
	}
}

void wb_alert_lead(const struct wb_alert *alert, struct wb_buf *ret)
{
	if (wb_alert_is_letters(alert->kind))
		letters_lead(alert, ret);
	else if (alert->kind == WB_ALERT_TEST)
		wb_buf_append_cstr(ret, "Nothing happened: someone wants to see whether alerts arrive.");
	else if (alert->kind == WB_ALERT_EXPIRY)
		wb_buf_append_cstr(
			ret, "Kafka deletes them then, and what they hold is lost unless they are dealt with before.");
	else
		group_lead(alert, ret);
}

void wb_alert_example_line(const struct wb_alert_example *example, struct wb_buf *ret)
{
	wb_buf_appendf(ret, "%d/%lld, ", (int)example->partition, (long long)example->offset);
	wb_alert_time(example->died_ms, ret);
	if (example->container[0]) {
		wb_buf_append_cstr(ret, ", ");
		put_safe(ret, example->container);
	}
	if (example->id[0]) {
		wb_buf_append_cstr(ret, ", id ");
		put_safe(ret, example->id);
	}
	if (example->identity[0]) {
		wb_buf_append_cstr(ret, ", write ");
		put_safe(ret, example->identity);
	}
	if (example->message[0]) {
		wb_buf_append_cstr(ret, ": ");
		(void)wb_text_line(ret, wb_slice_cstr(example->message), WB_ALERT_MESSAGE_SIZE);
	}
}

/* The reason with the most fresh letters, or with the most of all; NONE: only letters that are not ours. */
static unsigned main_reason(const struct wb_alert *alert)
{
	unsigned most = WB_REASON_NONE;

	for (unsigned i = 1; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *a = &alert->reason[i], *b = &alert->reason[most];

		if (most == WB_REASON_NONE ? a->all > 0
					   : a->fresh > b->fresh || (a->fresh == b->fresh && a->all > b->all))
			most = i;
	}
	return most;
}

static bool letters_command(const struct wb_alert *alert, unsigned i, struct wb_buf *ret)
{
	unsigned reason = main_reason(alert);
	const struct wb_alert_count *count = &alert->reason[reason];

	if (i == 0) {
		wb_buf_append_cstr(ret, "writebehind-deadletter ls");
	} else if (reason == WB_REASON_NONE) {
		return false;
	} else if (count->examples == 0) {
		if (i > 1)
			return false;
		wb_buf_appendf(ret, "writebehind-deadletter export --reason %s > letters.ndjson",
			wb_alert_reason_text(reason));
	} else if (i == 1) {
		wb_buf_appendf(ret, "writebehind-deadletter show %d/%lld", (int)count->example[0].partition,
			(long long)count->example[0].offset);
	} else if (i == 2) {
		wb_buf_appendf(ret, "writebehind-deadletter export --reason %s > letters.ndjson",
			wb_alert_reason_text(reason));
	} else {
		return false;
	}
	return true;
}

/* In single quotes, where nothing but a quote means anything to a shell. */
static void put_quoted(struct wb_buf *ret, const char *text)
{
	struct wb_buf safe;

	wb_buf_init(&safe, 16 * WB_ALERT_GROUP_SIZE);
	(void)wb_text_line(&safe, wb_slice_cstr(text), WB_ALERT_GROUP_SIZE);
	wb_buf_append_char(ret, '\'');
	for (size_t i = 0; i < safe.len; i++) {
		if (safe.data[i] == '\'')
			wb_buf_append_cstr(ret, "'\\''");
		else
			wb_buf_append_char(ret, safe.data[i]);
	}
	wb_buf_append_char(ret, '\'');
	wb_buf_release(&safe);
}

bool wb_alert_command(const struct wb_alert *alert, unsigned i, struct wb_buf *ret)
{
	if (wb_alert_is_letters(alert->kind) || alert->kind == WB_ALERT_TEST)
		return letters_command(alert, i, ret);
	if (alert->kind == WB_ALERT_EXPIRY) {
		if (i > 1)
			return false;
		wb_buf_append_cstr(ret,
			i == 0 ? "writebehind-deadletter ls --state open"
			       : "writebehind-deadletter export > letters.ndjson");
		return true;
	}
	if (i > 0)
		return false;
	wb_buf_append_cstr(
		ret, "kafka-consumer-groups.sh --bootstrap-server \"$KAFKA_BOOTSTRAP_SERVERS\" --describe --group ");
	put_quoted(ret, alert->group);
	return true;
}
