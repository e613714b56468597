#include "sandbox/condition.h"

#include "sandbox/member.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define DEPTH_MAX 64 /* of parentheses and NOT */

enum truth { IS_FALSE, IS_TRUE, IS_UNDEFINED };

/* A value in the text: a literal, or what a property holds. text: of a number or string of JSON; of a literal string
 * with its quotes as the condition has them. */
struct operand {
	struct wb_json_value value;
	bool quoted_here;
};

struct parser {
	const char *at, *end;
	struct wb_slice alias, document;
	unsigned depth;
	bool bad;
	struct wb_error *why;
	struct wb_buf left, right; /* decoded strings of a comparison */
};

static void refuse(struct parser *p, const char *what)
{
	if (!p->bad)
		(void)wb_error_set(p->why, WB_EINVAL, "Invalid condition: %s, near \"%.*s\".", what,
			p->end - p->at < 40 ? (int)(p->end - p->at) : 40, p->at);
	p->bad = true;
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && isspace((unsigned char)*p->at))
		p->at++;
}

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The word that is next, without taking it. */
static struct wb_slice peek_word(struct parser *p)
{
	const char *end;

	skip_space(p);
	for (end = p->at; end < p->end && is_word_byte(*end);)
		end++;
	return wb_slice(p->at, (size_t)(end - p->at));
}

static bool word_is(struct wb_slice word, const char *keyword)
{
	return word.len == strlen(keyword) && strncasecmp(word.data, keyword, word.len) == 0;
}

static bool take_word(struct parser *p, const char *keyword)
{
	struct wb_slice word = peek_word(p);

	if (!word_is(word, keyword))
		return false;
	p->at += word.len;
	return true;
}

static bool take(struct parser *p, const char *symbol)
{
	size_t len = strlen(symbol);

	skip_space(p);
	if ((size_t)(p->end - p->at) < len || memcmp(p->at, symbol, len) != 0)
		return false;
	p->at += len;
	return true;
}

/* A string in single or double quotes, as it stands. */
static struct wb_slice take_string(struct parser *p)
{
	const char *begin = p->at;

	for (p->at++; p->at < p->end && *p->at != *begin; p->at++)
		if (*p->at == '\\')
			p->at++;
	if (p->at >= p->end) {
		p->at = p->end;
		refuse(p, "a string does not end");
		return wb_slice(begin, 0);
	}
	p->at++;
	return wb_slice(begin, (size_t)(p->at - begin));
}

/* Decodes a literal into b: JSON's escapes, and \' beside them. */
static struct wb_slice decode_literal(struct wb_slice quoted, struct wb_buf *b)
{
	struct wb_buf json;
	struct wb_slice text = wb_slice("", 0);

	wb_buf_init(&json, quoted.len * 2 + 2);
	wb_buf_append_char(&json, '"');
	for (size_t i = 1; i + 1 < quoted.len; i++) {
		if (quoted.data[i] == '\\' && quoted.data[i + 1] == '\'')
			continue;
		if (quoted.data[i] == '\\')
			wb_buf_append_char(&json, quoted.data[i++]);
		else if (quoted.data[i] == '"')
			wb_buf_append_char(&json, '\\');
		wb_buf_append_char(&json, quoted.data[i]);
	}
	wb_buf_append_char(&json, '"');
	wb_buf_clear(b);
	/* A string that is none for JSON is compared as it stands. */
	if (wb_json_scan_value(wb_buf_slice(&json), &(struct wb_json_value){ 0 }, &(struct wb_json_error){ 0 }))
		wb_buf_append(b, quoted.data + 1, quoted.len - 2);
	else if (!wb_json_string_decode(wb_buf_slice(&json), b, &text) && text.data != b->data)
		wb_buf_append_slice(b, text); /* without escapes nothing was copied */
	wb_buf_release(&json);
	return wb_buf_slice(b);
}

/* .name, ["name"] or [0], as long as there is one; narrows value to it. */
static void take_steps(struct parser *p, struct wb_json_value *value)
{
	struct wb_member m;

	while (!p->bad) {
		struct wb_slice name;

		if (take(p, ".")) {
			name = peek_word(p);
			p->at += name.len;
			if (name.len == 0)
				refuse(p, "a name is missing");
		} else if (take(p, "[")) {
			skip_space(p);
			if (p->at < p->end && (*p->at == '"' || *p->at == '\'')) {
				name = take_string(p);
				name = name.len ? decode_literal(name, &p->left) : name;
			} else {
				name = peek_word(p);
				p->at += name.len;
			}
			if (!take(p, "]"))
				refuse(p, "a bracket does not end");
		} else {
			return;
		}
		wb_member_find(value->type == WB_JSON_ABSENT ? wb_slice("", 0) : value->raw, name, &m);
		*value = m.value;
	}
}

static struct wb_json_value take_property(struct parser *p)
{
	struct wb_json_value value = { WB_JSON_OBJECT, p->document };
	struct wb_slice word = peek_word(p);

	if (word.len == 0 || !wb_slice_eq(word, p->alias)) {
		refuse(p, "a property must begin with the name behind FROM");
		return (struct wb_json_value){ .type = WB_JSON_ABSENT };
	}
	p->at += word.len;
	take_steps(p, &value);
	return value;
}

static struct operand take_number(struct parser *p)
{
	struct operand o = { .value.type = WB_JSON_NUMBER };
	struct wb_json_error where;
	const char *begin = p->at;

	while (p->at < p->end && (isalnum((unsigned char)*p->at) || strchr("+-.", *p->at)))
		p->at++;
	if (wb_json_scan_value(wb_slice(begin, (size_t)(p->at - begin)), &o.value, &where) ||
		o.value.type != WB_JSON_NUMBER)
		refuse(p, "a value was expected");
	return o;
}

static struct operand take_operand(struct parser *p)
{
	static const struct {
		const char *word;
		enum wb_json_type type;
	} words[] = { { "null", WB_JSON_NULL }, { "true", WB_JSON_TRUE }, { "false", WB_JSON_FALSE },
		{ "undefined", WB_JSON_ABSENT } };
	struct operand o = { .value.type = WB_JSON_ABSENT };

	skip_space(p);
	if (p->at < p->end && (*p->at == '"' || *p->at == '\'')) {
		o.value = (struct wb_json_value){ WB_JSON_STRING, take_string(p) };
		o.quoted_here = true;
		return o;
	}
	if (p->at < p->end && (isdigit((unsigned char)*p->at) || *p->at == '-'))
		return take_number(p);
	for (size_t i = 0; i < WB_ARRAY_LEN(words); i++) {
		if (take_word(p, words[i].word)) {
			o.value.type = words[i].type;
			return o;
		}
	}
	o.value = take_property(p);
	return o;
}

static struct wb_slice decode(const struct operand *o, struct wb_buf *b)
{
	struct wb_slice text;

	if (o->quoted_here)
		return decode_literal(o->value.raw, b);
	wb_buf_clear(b);
	return wb_json_string_decode(o->value.raw, b, &text) ? wb_slice("", 0) : text;
}

/* -1, 0, 1; or 2 when the two cannot be compared. */
static int compare(struct parser *p, const struct operand *a, const struct operand *b)
{
	bool booleans = (a->value.type == WB_JSON_TRUE || a->value.type == WB_JSON_FALSE) &&
		(b->value.type == WB_JSON_TRUE || b->value.type == WB_JSON_FALSE);

	if (booleans)
		return (int)a->value.type - (int)b->value.type; /* false comes before true */
	if (a->value.type != b->value.type)
		return 2;
	switch (a->value.type) {
	case WB_JSON_NULL:
		return 0;
	case WB_JSON_NUMBER: {
		double x = wb_json_number(a->value.raw), y = wb_json_number(b->value.raw);

		return x < y ? -1 : x > y;
	}
	case WB_JSON_STRING: {
		struct wb_slice x = decode(a, &p->left), y = decode(b, &p->right);
		int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);

		if (order == 0)
			order = x.len < y.len ? -1 : x.len > y.len;
		return order < 0 ? -1 : order > 0;
	}
	default:
		return 2;
	}
}

static enum truth judge_comparison(struct parser *p, const struct operand *a)
{
	static const char *const operators[] = { "!=", "<>", "<=", ">=", "=", "<", ">" };
	struct operand b;
	size_t i = 0;
	int order;

	while (i < WB_ARRAY_LEN(operators) && !take(p, operators[i]))
		i++;
	if (i == WB_ARRAY_LEN(operators)) {
		if (a->value.type == WB_JSON_TRUE)
			return IS_TRUE;
		return a->value.type == WB_JSON_FALSE ? IS_FALSE : IS_UNDEFINED;
	}
	b = take_operand(p);
	order = p->bad ? 2 : compare(p, a, &b);
	if (order == 2)
		return IS_UNDEFINED;
	switch (i) {
	case 0:
	case 1:
		return order != 0 ? IS_TRUE : IS_FALSE;
	case 2:
		return order <= 0 ? IS_TRUE : IS_FALSE;
	case 3:
		return order >= 0 ? IS_TRUE : IS_FALSE;
	case 4:
		return order == 0 ? IS_TRUE : IS_FALSE;
	case 5:
		return order < 0 ? IS_TRUE : IS_FALSE;
	default:
		return order > 0 ? IS_TRUE : IS_FALSE;
	}
}

static bool type_is(const char *function, enum wb_json_type type)
{
	if (strcmp(function, "IS_DEFINED") == 0)
		return type != WB_JSON_ABSENT;
	if (strcmp(function, "IS_NULL") == 0)
		return type == WB_JSON_NULL;
	if (strcmp(function, "IS_STRING") == 0)
		return type == WB_JSON_STRING;
	if (strcmp(function, "IS_NUMBER") == 0)
		return type == WB_JSON_NUMBER;
	if (strcmp(function, "IS_BOOL") == 0)
		return type == WB_JSON_TRUE || type == WB_JSON_FALSE;
	return type == (strcmp(function, "IS_ARRAY") == 0 ? WB_JSON_ARRAY : WB_JSON_OBJECT);
}

/* false when no function is next. */
static bool take_function(struct parser *p, enum truth *ret)
{
	static const char *const functions[] = { "IS_DEFINED", "IS_NULL", "IS_STRING", "IS_NUMBER", "IS_BOOL",
		"IS_ARRAY", "IS_OBJECT" };
	size_t i = 0;
	struct operand o;

	while (i < WB_ARRAY_LEN(functions) && !take_word(p, functions[i]))
		i++;
	if (i == WB_ARRAY_LEN(functions))
		return false;
	if (!take(p, "("))
		refuse(p, "a function needs parentheses");
	o = take_operand(p);
	if (!take(p, ")"))
		refuse(p, "a parenthesis does not end");
	*ret = type_is(functions[i], o.value.type) ? IS_TRUE : IS_FALSE;
	return true;
}

static enum truth judge_or(struct parser *p);

static enum truth judge_factor(struct parser *p)
{
	enum truth truth = IS_UNDEFINED;
	struct operand o;

	if (p->bad)
		return IS_UNDEFINED;
	if (++p->depth > DEPTH_MAX) {
		refuse(p, "it nests too deep");
	} else if (take_word(p, "NOT")) {
		truth = judge_factor(p);
		if (truth != IS_UNDEFINED)
			truth = truth == IS_TRUE ? IS_FALSE : IS_TRUE;
	} else if (take(p, "(")) {
		truth = judge_or(p);
		if (!take(p, ")"))
			refuse(p, "a parenthesis does not end");
	} else if (!take_function(p, &truth)) {
		o = take_operand(p);
		truth = judge_comparison(p, &o);
	}
	p->depth--;
	return truth;
}

static enum truth judge_and(struct parser *p)
{
	enum truth truth = judge_factor(p);

	while (!p->bad && take_word(p, "AND")) {
		enum truth next = judge_factor(p);

		if (truth == IS_FALSE || next == IS_FALSE)
			truth = IS_FALSE;
		else if (truth == IS_UNDEFINED || next == IS_UNDEFINED)
			truth = IS_UNDEFINED;
	}
	return truth;
}

static enum truth judge_or(struct parser *p)
{
	enum truth truth = judge_and(p);

	while (!p->bad && take_word(p, "OR")) {
		enum truth next = judge_and(p);

		if (truth == IS_TRUE || next == IS_TRUE)
			truth = IS_TRUE;
		else if (truth == IS_UNDEFINED || next == IS_UNDEFINED)
			truth = IS_UNDEFINED;
	}
	return truth;
}

/* FROM c, FROM products c, FROM products AS c */
static void take_from(struct parser *p)
{
	struct wb_slice word;

	if (!take_word(p, "FROM")) {
		refuse(p, "it must begin with FROM");
		return;
	}
	p->alias = peek_word(p);
	p->at += p->alias.len;
	(void)take_word(p, "AS");
	word = peek_word(p);
	if (word.len && !word_is(word, "WHERE")) {
		p->alias = word;
		p->at += word.len;
	}
	if (p->alias.len == 0 || word_is(p->alias, "WHERE") || !take_word(p, "WHERE"))
		refuse(p, "FROM name WHERE is wanted");
}

enum wb_err wb_condition_judge(struct wb_slice text, struct wb_slice document, bool *ret_holds, struct wb_error *why)
{
	struct parser p = { .at = text.data, .end = text.data + text.len, .document = document, .why = why };
	enum truth truth = IS_UNDEFINED;

	wb_buf_init(&p.left, text.len + document.len + 1);
	wb_buf_init(&p.right, text.len + document.len + 1);
	take_from(&p);
	if (!p.bad)
		truth = judge_or(&p);
	skip_space(&p);
	if (p.at < p.end)
		refuse(&p, "it goes on where it should end");
	wb_buf_release(&p.left);
	wb_buf_release(&p.right);
	if (p.bad)
		return WB_EINVAL;
	*ret_holds = truth == IS_TRUE;
	return WB_OK;
}
