#include "sandbox/faults.h"

#include "common/base/mem.h"
#include "common/base/prng.h"
#include "common/base/thread.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

struct rule {
	json_t *text; /* as it was given */
	int operation; /* -1: any */
	int bulk;      /* -1: any */
	struct wb_slice range, container, id, id_prefix, client; /* into text; {NULL, 0}: any */
	double probability;
	int64_t left; /* -1: without end */
	int64_t skip;
	bool whole_request;
	int64_t latency_us, jitter_us;
	struct wb_fault fault; /* delay_us unused */
	uint64_t fired;
};

struct wb_faults {
	pthread_mutex_t lock; /* guards all below */
	struct wb_prng random;
	struct rule rules[WB_FAULT_RULES_MAX];
	size_t count;
	_Atomic size_t visible_count; /* of count, for the cheap look */
};

static const char *const operation_names[] = {
#define X(symbol, name) name,
	WB_OPERATION_LIST(X)
#undef X
};

static const char *const action_names[] = {
	[WB_FAULT_NONE] = "",
	[WB_FAULT_STATUS] = "",
	[WB_FAULT_RESET_BEFORE] = "reset-before",
	[WB_FAULT_RESET_AFTER] = "reset-after",
	[WB_FAULT_HANG] = "hang",
	[WB_FAULT_TRUNCATE] = "truncate",
	[WB_FAULT_GARBAGE] = "garbage",
	[WB_FAULT_SHORT_ARRAY] = "short-array",
	[WB_FAULT_LONG_ARRAY] = "long-array",
};

struct wb_faults *wb_faults_new(uint64_t seed)
{
	struct wb_faults *f = wb_xcalloc(1, sizeof *f);

	wb_mutex_init(&f->lock);
	f->random.state = seed;
	return f;
}

void wb_faults_free(struct wb_faults **faults)
{
	if (!*faults)
		return;
	wb_faults_clear(*faults);
	wb_mutex_release(&(*faults)->lock);
	free(*faults);
	*faults = NULL;
}

void wb_faults_clear(struct wb_faults *f)
{
	wb_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->count; i++)
		json_decref(f->rules[i].text);
	f->count = 0;
	atomic_store(&f->visible_count, 0);
	wb_mutex_unlock(&f->lock);
}

/* A reader of one member after the other that remembers the first thing that is wrong. */
struct fields {
	json_t *object;
	struct wb_error *e;
	bool bad;
	size_t known; /* members that were asked for and are there */
};

static json_t *field(struct fields *f, const char *name)
{
	json_t *value = json_object_get(f->object, name);

	f->known += value != NULL;
	return value;
}

static void complain(struct fields *f, const char *name, const char *allowed)
{
	if (!f->bad)
		(void)wb_error_set(f->e, WB_EINVAL, "fault rule: \"%s\" must be %s", name, allowed);
	f->bad = true;
}

static struct wb_slice field_string(struct fields *f, const char *name)
{
	json_t *value = field(f, name);

	if (!value)
		return wb_slice(NULL, 0);
	if (!json_is_string(value))
		complain(f, name, "a string");
	return wb_slice_cstr(json_string_value(value));
}

static int64_t field_int(struct fields *f, const char *name, int64_t min, int64_t max, int64_t absent)
{
	json_t *value = field(f, name);

	if (!value)
		return absent;
	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max) {
		complain(f, name, "a whole number in its range");
		return absent;
	}
	return json_integer_value(value);
}

static int field_bool(struct fields *f, const char *name, int absent)
{
	json_t *value = field(f, name);

	if (value && !json_is_boolean(value))
		complain(f, name, "true or false");
	return value ? json_is_true(value) : absent;
}

static int field_word(struct fields *f, const char *name, const char *const *words, size_t count, int absent)
{
	struct wb_slice text = field_string(f, name);

	if (!text.data)
		return absent;
	for (size_t i = 0; i < count; i++)
		if (words[i][0] && wb_slice_eq_cstr(text, words[i]))
			return (int)i;
	complain(f, name, "a known word");
	return absent;
}

/* A line of text; room: of ret, which is empty. */
static void field_text(struct fields *f, const char *name, char *ret, size_t room)
{
	struct wb_slice text = field_string(f, name);

	if (text.len >= room || (text.len && (memchr(text.data, '\r', text.len) || memchr(text.data, '\n', text.len))))
		complain(f, name, "a line shorter than 256 bytes");
	else if (text.len)
		memcpy(ret, text.data, text.len);
}

static void all_known(struct fields *f)
{
	if (!f->bad && json_object_size(f->object) != f->known) {
		(void)wb_error_set(f->e, WB_EINVAL, "fault rule: a member that is not known");
		f->bad = true;
	}
}

static void parse_match(struct fields *outer, struct rule *r)
{
	struct fields f = { .object = field(outer, "match"), .e = outer->e };

	r->operation = r->bulk = -1;
	if (!f.object || outer->bad)
		return;
	if (!json_is_object(f.object)) {
		complain(outer, "match", "an object");
		return;
	}
	r->operation = field_word(&f, "op", operation_names, WB_ARRAY_LEN(operation_names), -1);
	r->bulk = field_bool(&f, "bulk", -1);
	r->range = field_string(&f, "range");
	r->container = field_string(&f, "container");
	r->id = field_string(&f, "id");
	r->id_prefix = field_string(&f, "id_prefix");
	r->client = field_string(&f, "client");
	all_known(&f);
	outer->bad = f.bad;
}

static void parse_chance(struct fields *f, struct rule *r)
{
	json_t *probability = field(f, "probability");

	r->probability = 1;
	if (probability) {
		r->probability = json_number_value(probability);
		if (!json_is_number(probability) || r->probability < 0 || r->probability > 1)
			complain(f, "probability", "a number from 0 to 1");
	}
	r->left = field_int(f, "count", 1, INT64_MAX, -1);
	r->skip = field_int(f, "skip", 0, INT64_MAX, 0);
}

/* What the members say together. */
static enum wb_err judge_rule(struct rule *r, struct wb_error *e)
{
	bool redirects = r->fault.status >= 300 && r->fault.status < 400;

	if (r->fault.location[0] && (!redirects || r->fault.action != WB_FAULT_NONE))
		return wb_error_set(e, WB_EINVAL, "fault rule: \"location\" belongs to a status from 300 to 399");
	if (r->fault.location[0])
		r->whole_request = true;
	if (r->fault.action != WB_FAULT_NONE && r->fault.action != WB_FAULT_GARBAGE && r->fault.status)
		return wb_error_set(e, WB_EINVAL, "fault rule: \"status\" and \"action\" exclude each other");
	if (r->fault.status && !r->whole_request && (r->latency_us || r->jitter_us))
		return wb_error_set(
			e, WB_EINVAL, "fault rule: latency belongs to a whole request, not to an operation");
	if (r->fault.action != WB_FAULT_NONE)
		r->whole_request = true;
	else if (r->fault.status)
		r->fault.action = WB_FAULT_STATUS;
	else if (r->latency_us || r->jitter_us)
		r->whole_request = true;
	else
		return wb_error_set(e, WB_EINVAL, "fault rule: \"status\", \"action\" or \"latency_ms\" is needed");
	return WB_OK;
}

static enum wb_err parse_rule(json_t *object, struct rule *r, struct wb_error *e)
{
	static const char *const scopes[] = { "operation", "request" };
	struct fields f = { .object = object, .e = e };

	*r = (struct rule){ .text = object };
	if (!json_is_object(object))
		return wb_error_set(e, WB_EINVAL, "a fault rule must be an object");
	parse_match(&f, r);
	parse_chance(&f, r);
	r->whole_request = field_word(&f, "scope", scopes, 2, 0) == 1;
	r->fault.status = (unsigned)field_int(&f, "status", 200, 599, 0);
	r->fault.substatus = (unsigned)field_int(&f, "substatus", 0, 65535, 0);
	r->fault.retry_after_ms = field_int(&f, "retry_after_ms", 0, 3600000, -1);
	r->fault.applied = field_bool(&f, "applied", 0) == 1;
	r->fault.action = (enum wb_fault_action)field_word(&f, "action", action_names, WB_ARRAY_LEN(action_names), 0);
	r->latency_us = field_int(&f, "latency_ms", 0, 3600000, 0) * 1000;
	r->jitter_us = field_int(&f, "jitter_ms", 0, 3600000, 0) * 1000;
	field_text(&f, "message", r->fault.message, sizeof r->fault.message);
	field_text(&f, "location", r->fault.location, sizeof r->fault.location);
	all_known(&f);
	return f.bad ? WB_EINVAL : judge_rule(r, e);
}

/* Parses the array's rules into rules, which has room for as many. */
static enum wb_err parse_rules(json_t *array, struct rule *rules, struct wb_error *e)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		enum wb_err err = parse_rule(json_array_get(array, i), &rules[i], e);

		if (err)
			return err;
	}
	return WB_OK;
}

enum wb_err wb_faults_add(struct wb_faults *f, struct wb_slice json, struct wb_error *e)
{
	json_error_t why;
	json_t *given = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, &why), *array = given;
	struct rule *rules;
	enum wb_err err;

	if (!given)
		return wb_error_set(e, WB_EINVAL, "fault rules are no JSON: %s", why.text);
	if (json_is_object(given)) {
		array = json_array();
		if (json_array_append_new(array, given)) {
			json_decref(array);
			return wb_error_set(e, WB_ENOMEM, "no memory for a fault rule");
		}
	}
	if (!json_is_array(array) || json_array_size(array) > WB_FAULT_RULES_MAX) {
		json_decref(array);
		return wb_error_set(e, WB_EINVAL, "fault rules must be an array of at most %d", WB_FAULT_RULES_MAX);
	}
	rules = wb_xcalloc(json_array_size(array) + 1, sizeof *rules);
	err = parse_rules(array, rules, e);
	wb_mutex_lock(&f->lock);
	if (!err && f->count + json_array_size(array) > WB_FAULT_RULES_MAX)
		err = wb_error_set(e, WB_EINVAL, "more than %d fault rules", WB_FAULT_RULES_MAX);
	for (size_t i = 0; !err && i < json_array_size(array); i++) {
		f->rules[f->count] = rules[i];
		json_incref(rules[i].text);
		f->count++;
	}
	atomic_store(&f->visible_count, f->count);
	wb_mutex_unlock(&f->lock);
	free(rules);
	json_decref(array);
	return err;
}

void wb_faults_add_latency(struct wb_faults *f, int64_t latency_ms, int64_t jitter_ms)
{
	struct wb_buf text;
	enum wb_err err;

	wb_buf_init(&text, 256);
	wb_buf_appendf(&text, "{\"latency_ms\":%lld,\"jitter_ms\":%lld}", (long long)latency_ms, (long long)jitter_ms);
	err = wb_faults_add(f, wb_buf_slice(&text), NULL);
	(void)err; /* options bound both numbers as the rule does, and there is room at start */
	wb_buf_release(&text);
}

void wb_faults_render(struct wb_faults *f, struct wb_buf *ret)
{
	wb_buf_append_char(ret, '[');
	wb_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->count; i++) {
		char *text = json_dumps(f->rules[i].text, JSON_COMPACT);

		if (i)
			wb_buf_append_char(ret, ',');
		wb_buf_appendf(ret, "{\"fired\":%llu,\"rule\":", (unsigned long long)f->rules[i].fired);
		wb_buf_append_cstr(ret, text ? text : "null");
		wb_buf_append_char(ret, '}');
		free(text);
	}
	wb_mutex_unlock(&f->lock);
	wb_buf_append_char(ret, ']');
}

bool wb_faults_any(const struct wb_faults *f)
{
	return atomic_load_explicit(&f->visible_count, memory_order_acquire) > 0;
}

static bool slice_wanted(struct wb_slice wanted, struct wb_slice is)
{
	return !wanted.data || (is.data && wb_slice_eq(wanted, is));
}

static bool prefix_wanted(struct wb_slice wanted, struct wb_slice is)
{
	return !wanted.data || (is.data && is.len >= wanted.len && memcmp(is.data, wanted.data, wanted.len) == 0);
}

static bool matches(const struct rule *r, const struct wb_fault_target *t)
{
	if (r->operation >= 0 && r->operation != (int)t->operation)
		return false;
	if (r->bulk >= 0 && r->bulk != t->bulk)
		return false;
	if (!slice_wanted(r->range, t->range) || !slice_wanted(r->container, t->container) ||
		!slice_wanted(r->id, t->id))
		return false;
	return prefix_wanted(r->id_prefix, t->id) && prefix_wanted(r->client, t->client);
}

/* A uniform number in [0, 1). */
static double chance(struct wb_faults *f)
{
	return (double)(wb_prng_next(&f->random) >> 11) * 0x1p-53;
}

/* Decides about a rule that matches, and keeps its counts. */
static bool fires(struct wb_faults *f, struct rule *r)
{
	if (r->left == 0)
		return false;
	if (r->probability < 1 && chance(f) >= r->probability)
		return false;
	if (r->skip > 0) {
		r->skip--;
		return false;
	}
	if (r->left > 0)
		r->left--;
	r->fired++;
	return true;
}

struct wb_fault wb_faults_request(struct wb_faults *f, const struct wb_fault_target *targets, size_t count)
{
	struct wb_fault fault = { .retry_after_ms = -1 };
	int64_t delay_us = 0;

	wb_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->count; i++) {
		struct rule *r = &f->rules[i];
		bool match = false;

		if (!r->whole_request || (r->fault.action != WB_FAULT_NONE && fault.action != WB_FAULT_NONE))
			continue;
		for (size_t j = 0; j < count && !match; j++)
			match = matches(r, &targets[j]);
		if (!match || !fires(f, r))
			continue;
		delay_us += r->latency_us;
		if (r->jitter_us)
			delay_us += (int64_t)(chance(f) * (double)r->jitter_us);
		if (r->fault.action != WB_FAULT_NONE)
			fault = r->fault;
	}
	wb_mutex_unlock(&f->lock);
	fault.delay_us = delay_us;
	return fault;
}

struct wb_fault wb_faults_operation(struct wb_faults *f, const struct wb_fault_target *target)
{
	struct wb_fault fault = { .retry_after_ms = -1 };

	wb_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->count; i++) {
		struct rule *r = &f->rules[i];

		if (r->whole_request || !matches(r, target) || !fires(f, r))
			continue;
		fault = r->fault;
		break;
	}
	wb_mutex_unlock(&f->lock);
	return fault;
}
