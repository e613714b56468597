#include "deadletter/alert_rules.h"

#include "common/base/mem.h"
#include "deadletter/alert_rules_internal.h"
#include "deadletter/text.h"

#include <stdio.h>
#include <stdlib.h>

struct wb_alert_rules *wb_alert_rules_new(const struct wb_alert_settings *settings)
{
	struct wb_alert_rules *r = wb_xcalloc(1, sizeof *r);

	r->settings = *settings;
	return r;
}

void wb_alert_rules_free(struct wb_alert_rules **rules)
{
	struct wb_alert_rules *r = *rules;

	*rules = NULL;
	if (!r)
		return;
	free(r->positions);
	free(r);
}

int64_t wb_alert_rules_position(const struct wb_alert_rules *r, int32_t partition)
{
	return partition >= 0 && partition < r->partitions ? r->positions[partition] : -1;
}

void wb_alert_rules_set_position(struct wb_alert_rules *r, int32_t partition, int64_t offset)
{
	if (partition < 0 || partition >= WB_ALERT_PARTITIONS_MAX)
		return;
	if (partition >= r->partitions) {
		r->positions = wb_xrealloc(r->positions, ((size_t)partition + 1) * sizeof *r->positions);
		while (r->partitions <= partition)
			r->positions[r->partitions++] = -1;
	}
	r->positions[partition] = offset;
}

/* What a letter says of itself goes no further as it is: it may hold any byte. */
static void set_text(char *ret, size_t size, struct wb_slice text, struct wb_buf *scratch)
{
	wb_buf_clear(scratch);
	(void)wb_text_line(scratch, text, size - 1);
	wb_alert_copy_text(ret, size, wb_buf_slice(scratch));
}

static void set_example(struct wb_alert_example *ret, const struct wb_alert_letter *letter, int64_t died_ms)
{
	struct wb_buf scratch;

	wb_buf_init(&scratch, 16 * WB_ALERT_MESSAGE_SIZE);
	memset(ret, 0, sizeof *ret);
	ret->partition = letter->partition;
	ret->offset = letter->offset;
	ret->died_ms = died_ms;
	set_text(ret->identity, sizeof ret->identity, letter->identity, &scratch);
	set_text(ret->container, sizeof ret->container, letter->container, &scratch);
	set_text(ret->id, sizeof ret->id, letter->id, &scratch);
	set_text(ret->message, sizeof ret->message, letter->message, &scratch);
	wb_buf_release(&scratch);
}

static int64_t bucket_ms(const struct wb_alert_rules *r)
{
	int64_t ms = r->settings.threshold_window_ms / WB_ALERT_BUCKETS;

	return ms > 0 ? ms : 1;
}

static void add_to_window(struct wb_alert_rules *r, int64_t died_ms)
{
	int64_t index = died_ms / bucket_ms(r);
	struct wb_alert_bucket *bucket = &r->bucket[index % WB_ALERT_BUCKETS];

	if (index < bucket->index)
		return; /* older than the window */
	if (index > bucket->index)
		*bucket = (struct wb_alert_bucket){ .index = index };
	bucket->letters++;
}

static uint64_t in_window(const struct wb_alert_rules *r, int64_t now_ms)
{
	int64_t index = now_ms / bucket_ms(r);
	uint64_t sum = 0;

	for (unsigned i = 0; i < WB_ALERT_BUCKETS; i++)
		if (r->bucket[i].index > index - WB_ALERT_BUCKETS)
			sum += r->bucket[i].letters;
	return sum;
}

/* Appends to the kind of story when it began: unique, as stories of one kind do not overlap. */
static void begin_incident(char ret[WB_ALERT_ID_SIZE], const char *what, int64_t since_ms, uint64_t where)
{
	(void)snprintf(
		ret, WB_ALERT_ID_SIZE, "%s-%lld-%llx", what, (long long)since_ms, (unsigned long long)where); /* fits */
}

bool wb_alert_rules_letter(struct wb_alert_rules *r, const struct wb_alert_letter *letter, int64_t now_ms)
{
	struct wb_alert *next = &r->next;
	struct wb_alert_count *count;
	unsigned reason = (unsigned)letter->reason < WB_ALERT_REASONS ? letter->reason : WB_REASON_NONE;
	int64_t died_ms = letter->died_ms < now_ms ? letter->died_ms : now_ms;

	if (letter->partition < 0 || letter->partition >= WB_ALERT_PARTITIONS_MAX || letter->offset < 0 ||
		letter->offset < wb_alert_rules_position(r, letter->partition))
		return false;
	died_ms = died_ms > 0 ? died_ms : 0;
	wb_alert_rules_set_position(r, letter->partition, letter->offset + 1);
	if (!next->incident[0]) {
		next->since_ms = died_ms;
		begin_incident(next->incident, "letters", died_ms,
			(uint64_t)letter->partition << 40 ^ (uint64_t)letter->offset);
	}
	count = &next->reason[reason];
	if (count->examples < WB_ALERT_EXAMPLES)
		set_example(&count->example[count->examples++], letter, died_ms);
	if (next->fresh == 0 || died_ms < next->first_ms)
		next->first_ms = died_ms;
	if (died_ms > next->last_ms)
		next->last_ms = died_ms;
	count->fresh++;
	count->all++;
	next->fresh++;
	next->all++;
	add_to_window(r, died_ms);
	return true;
}

static void set_condition(struct wb_alert_condition *c, unsigned level, int64_t now_ms)
{
	if (level > 0 && !c->holds && c->told_level == 0) {
		c->since_ms = now_ms;
		c->serial = 0;
	}
	c->holds = level > 0;
	c->level = level;
}

static struct wb_alert_group_state *find_group(struct wb_alert_rules *r, struct wb_slice name)
{
	char text[WB_ALERT_GROUP_SIZE];
	struct wb_buf scratch;

	wb_buf_init(&scratch, 16 * WB_ALERT_GROUP_SIZE);
	set_text(text, sizeof text, name, &scratch);
	wb_buf_release(&scratch);
	for (unsigned i = 0; i < r->groups; i++)
		if (strcmp(r->group[i].name, text) == 0)
			return &r->group[i];
	if (r->groups == WB_ALERT_GROUPS_MAX)
		return NULL;
	memcpy(r->group[r->groups].name, text, sizeof text);
	r->group[r->groups].committed = -1;
	return &r->group[r->groups++];
}

/* 0: far from it; 1: past the percentage; 2: half of the rest is gone too. Once told, it is over a tenth below only, so
 * that an age at the edge does not tell of it again and again. */
static unsigned retention_level(const struct wb_alert_rules *r, const struct wb_alert_group_state *g)
{
	double part = g->retention_ms > 0 ? 100.0 * (double)g->oldest_age_ms / (double)g->retention_ms : 0;
	double first = (double)r->settings.retention_percent, second = (100 + first) / 2;

	if (g->retention.holds)
		first *= 0.9;
	return part >= second ? 2 : part >= first ? 1 : 0;
}

bool wb_alert_rules_group(struct wb_alert_rules *r, const struct wb_alert_group_sample *sample, int64_t now_ms)
{
	struct wb_alert_group_state *g = find_group(r, sample->group);
	bool stalled;

	if (!g)
		return false;
	g->lag = sample->lag > 0 ? sample->lag : 0;
	g->oldest_age_ms = sample->oldest_age_ms > 0 ? sample->oldest_age_ms : 0;
	g->retention_ms = sample->retention_ms > 0 ? sample->retention_ms : 0;
	if (g->lag == 0 || g->committed != sample->committed || g->moved_ms > now_ms) {
		g->committed = sample->committed;
		g->moved_ms = now_ms;
		g->lag_before = g->lag;
	}
	stalled = g->lag > 0 && now_ms - g->moved_ms >= r->settings.stalled_after_ms &&
		(g->lag > g->lag_before || g->stalled.holds);
	set_condition(&g->stalled, stalled, now_ms);
	set_condition(&g->retention, retention_level(r, g), now_ms);
	return true;
}

void wb_alert_rules_expiry(struct wb_alert_rules *r, uint64_t letters, int64_t first_ms, int64_t now_ms)
{
	if (letters == 0)
		r->expiry.told_level = 0; /* nothing is told of its end: the letters are acted upon or gone */
	r->expiring = letters;
	r->expires_ms = first_ms > 0 ? first_ms : 0;
	set_condition(&r->expiry, letters > 0, now_ms);
}

static void name_alert(struct wb_alert *alert)
{
	(void)snprintf(alert->id, sizeof alert->id, "%.*s.%u", (int)sizeof alert->id - 12, alert->incident,
		alert->serial); /* fits */
}

/* The letters so far become the alert that is due; the next one counts from nothing. */
static void letters_due(struct wb_alert_rules *r, enum wb_alert_kind kind, int64_t now_ms)
{
	struct wb_alert *next = &r->next;

	r->due = *next;
	r->due.kind = kind;
	r->due.at_ms = now_ms;
	if (kind == WB_ALERT_THRESHOLD) {
		r->due.in_window = in_window(r, now_ms);
		r->due.window_ms = r->settings.threshold_window_ms;
		r->threshold_ms = now_ms;
	}
	name_alert(&r->due);
	r->is_due = true;
	r->told_ms = now_ms;
	if (kind == WB_ALERT_RECOVERED) {
		memset(next, 0, sizeof *next);
		return;
	}
	next->serial++;
	next->fresh = 0;
	next->first_ms = 0;
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		next->reason[i].fresh = 0;
		next->reason[i].examples = 0;
		memset(next->reason[i].example, 0, sizeof next->reason[i].example);
	}
}

/* Only what fits the kind is said, or a restart would make a difference. */
static void condition_due(struct wb_alert_rules *r, struct wb_alert_condition *c, const struct wb_alert_group_state *g,
	enum wb_alert_kind kind, int64_t now_ms)
{
	struct wb_alert *due = &r->due;
	const char *what = kind == WB_ALERT_EXPIRY                    ? "expiry"
		: kind == WB_ALERT_STALLED || kind == WB_ALERT_MOVING ? "stalled"
								      : "retention";

	memset(due, 0, sizeof *due);
	due->kind = kind;
	due->at_ms = now_ms;
	due->since_ms = c->since_ms;
	due->serial = c->serial++;
	begin_incident(due->incident, what, c->since_ms, g ? (uint64_t)(g - r->group) : 0);
	name_alert(due);
	if (g) {
		memcpy(due->group, g->name, sizeof due->group);
		due->lag = g->lag;
		due->lag_before = g->lag_before;
		due->moved_ms = g->moved_ms;
		due->oldest_age_ms = g->oldest_age_ms;
		due->retention_ms = g->retention_ms;
	} else {
		due->expiring = r->expiring;
		due->expires_ms = r->expires_ms;
	}
	c->told_level = wb_alert_is_over(kind) ? 0 : c->level;
	c->told_ms = now_ms;
	r->is_due = true;
}

static bool condition_worse(const struct wb_alert_rules *r, struct wb_alert_condition *c, int64_t now_ms)
{
	if (c->told_ms > now_ms)
		c->told_ms = now_ms;
	return c->holds && (c->level > c->told_level || now_ms - c->told_ms >= r->settings.repeat_interval_ms);
}

static bool urgent_letters(struct wb_alert_rules *r, int64_t now_ms)
{
	if (r->threshold_ms > now_ms)
		r->threshold_ms = now_ms;
	if (r->settings.threshold > 0 && r->next.fresh > 0 &&
		(r->threshold_ms == 0 || now_ms - r->threshold_ms >= r->settings.digest_interval_ms) &&
		in_window(r, now_ms) >= (uint64_t)r->settings.threshold) {
		letters_due(r, WB_ALERT_THRESHOLD, now_ms);
		return true;
	}
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *count = &r->next.reason[i];

		if (count->fresh > 0 && count->fresh == count->all) {
			letters_due(r, WB_ALERT_FIRST, now_ms);
			return true;
		}
	}
	return false;
}

static bool conditions(struct wb_alert_rules *r, int64_t now_ms)
{
	for (unsigned i = 0; i < r->groups; i++) {
		struct wb_alert_group_state *g = &r->group[i];

		if (condition_worse(r, &g->retention, now_ms)) {
			condition_due(r, &g->retention, g, WB_ALERT_RETENTION, now_ms);
			return true;
		}
		if (condition_worse(r, &g->stalled, now_ms)) {
			condition_due(r, &g->stalled, g, WB_ALERT_STALLED, now_ms);
			return true;
		}
	}
	if (condition_worse(r, &r->expiry, now_ms)) {
		condition_due(r, &r->expiry, NULL, WB_ALERT_EXPIRY, now_ms);
		return true;
	}
	for (unsigned i = 0; i < r->groups; i++) {
		struct wb_alert_group_state *g = &r->group[i];

		if (!g->stalled.holds && g->stalled.told_level > 0) {
			condition_due(r, &g->stalled, g, WB_ALERT_MOVING, now_ms);
			return true;
		}
		if (!g->retention.holds && g->retention.told_level > 0) {
			condition_due(r, &g->retention, g, WB_ALERT_RETENTION_OVER, now_ms);
			return true;
		}
	}
	return false;
}

void wb_alert_rules_tick(struct wb_alert_rules *r, int64_t now_ms, bool caught_up)
{
	if (r->told_ms > now_ms)
		r->told_ms = now_ms;
	if (r->next.last_ms > now_ms)
		r->next.last_ms = now_ms;
	if (r->is_due || urgent_letters(r, now_ms) || conditions(r, now_ms) || !r->next.incident[0])
		return;
	if (caught_up && now_ms - r->next.last_ms >= r->settings.recovery_after_ms)
		letters_due(r, WB_ALERT_RECOVERED, now_ms);
	else if (r->next.fresh > 0 && now_ms - r->told_ms >= r->settings.digest_interval_ms)
		letters_due(r, WB_ALERT_DIGEST, now_ms);
}

const struct wb_alert *wb_alert_rules_due(const struct wb_alert_rules *r)
{
	return r->is_due ? &r->due : NULL;
}

void wb_alert_rules_done(struct wb_alert_rules *r, int64_t now_ms)
{
	if (!r->is_due)
		return;
	/* What a slow channel delayed is followed by no burst. */
	if (wb_alert_is_letters(r->due.kind))
		r->told_ms = now_ms;
	r->is_due = false;
	memset(&r->due, 0, sizeof r->due);
}
