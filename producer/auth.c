#include "producer/auth.h"

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "producer/rate.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CHALLENGE "Bearer realm=\"writebehind\""
#define ANONYMOUS "anonymous"

/* The buckets of one name. They outlive a reload, so several sets may share them. */
struct account {
	atomic_size_t refs;
	pthread_mutex_t lock; /* around the buckets */
	struct wb_rate requests, documents;
};

/* The tokens of one reading of the file, with the account of each. */
struct token_set {
	atomic_size_t refs;
	struct wb_tokens tokens;
	struct account **accounts;
};

enum why { MISSING, INVALID, EXPIRED, AMBIGUOUS, SCOPE, TARGET, RATE, WHYS };

struct wb_auth {
	char *file; /* NULL: everyone is anonymous */
	pthread_mutex_t lock; /* around set; taken before an account's */
	struct token_set *set;
	struct wb_counter *refused[WHYS];
};

struct wb_identity {
	struct wb_auth *auth;
	struct token_set *set;        /* NULL: anonymous; a reference */
	const struct wb_token *token; /* of the set */
	struct account *account;
};

/* Sets of tokens */

static void release_account(struct account *a)
{
	if (atomic_fetch_sub(&a->refs, 1) > 1)
		return;
	wb_mutex_release(&a->lock);
	free(a);
}

static void release_set(struct token_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
		return;
	for (size_t i = 0; i < set->tokens.count; i++)
		release_account(set->accounts[i]);
	free(set->accounts);
	wb_tokens_release(&set->tokens);
	free(set);
}

static struct account *account_new(const struct wb_token_rate *rate, int64_t now_ms)
{
	struct account *a = wb_xcalloc(1, sizeof *a);

	atomic_init(&a->refs, 1);
	wb_mutex_init(&a->lock);
	wb_rate_init(&a->requests, rate->requests_per_s, rate->burst_s, now_ms);
	wb_rate_init(&a->documents, rate->documents_per_s, rate->burst_s, now_ms);
	return a;
}

/* The account of that name in a set, with a reference for the caller and the rates that hold from now on; NULL where
 * there is none. */
static struct account *account_again(
	struct token_set *set, const char *name, const struct wb_token_rate *rate, int64_t now_ms)
{
	for (size_t i = 0; set && i < set->tokens.count; i++) {
		struct account *a = set->accounts[i];

		if (strcmp(set->tokens.items[i].name, name) != 0)
			continue;
		atomic_fetch_add(&a->refs, 1);
		wb_mutex_lock(&a->lock);
		wb_rate_change(&a->requests, rate->requests_per_s, rate->burst_s, now_ms);
		wb_rate_change(&a->documents, rate->documents_per_s, rate->burst_s, now_ms);
		wb_mutex_unlock(&a->lock);
		return a;
	}
	return NULL;
}

static enum wb_err read_file(const char *path, struct wb_tokens *ret, struct wb_error *e)
{
	enum wb_err err;
	struct wb_buf text;

	wb_buf_init(&text, WB_TOKENS_BYTES);
	err = wb_file_read(path, &text, e);
	if (err == WB_OK)
		err = wb_tokens_parse(wb_buf_slice(&text), path, ret, e);
	wb_buf_release(&text);
	return err;
}

enum wb_err wb_auth_reload(struct wb_auth *a, struct wb_error *e)
{
	struct wb_tokens tokens = { 0 };
	struct token_set *set, *old;
	int64_t now_ms = wb_clock_mono_ms();

	if (!a->file)
		return WB_OK;
	if (read_file(a->file, &tokens, e) != WB_OK)
		return WB_EINVAL;
	set = wb_xcalloc(1, sizeof *set);
	atomic_init(&set->refs, 1);
	set->tokens = tokens;
	set->accounts = wb_xcalloc(tokens.count + 1, sizeof(struct account *));
	wb_mutex_lock(&a->lock);
	old = a->set;
	for (size_t i = 0; i < tokens.count; i++) {
		const struct wb_token *t = &tokens.items[i];

		set->accounts[i] = account_again(old, t->name, &t->rate, now_ms);
		if (!set->accounts[i])
			set->accounts[i] = account_new(&t->rate, now_ms);
	}
	a->set = set;
	wb_mutex_unlock(&a->lock);
	release_set(old);
	return WB_OK;
}

/* Life */

static void make_counters(struct wb_auth *a, struct wb_metrics *metrics)
{
	static const char *const labels[WHYS] = {
		[MISSING] = "why=\"missing\"",
		[INVALID] = "why=\"invalid\"",
		[EXPIRED] = "why=\"expired\"",
		[AMBIGUOUS] = "why=\"ambiguous\"",
		[SCOPE] = "why=\"scope\"",
		[TARGET] = "why=\"target\"",
		[RATE] = "why=\"rate\"",
	};

	for (size_t i = 0; metrics && i < WHYS; i++)
		a->refused[i] = wb_metrics_counter(metrics, "writebehind_auth_refused_total",
			"Requests that were refused for what their token is or may do", labels[i]);
}

struct wb_auth *wb_auth_new(const char *tokens_file, struct wb_metrics *metrics, struct wb_error *e)
{
	struct wb_auth *a = wb_xcalloc(1, sizeof *a);

	wb_mutex_init(&a->lock);
	a->file = tokens_file ? wb_xstrdup(tokens_file) : NULL;
	if (wb_auth_reload(a, e) != WB_OK)
		wb_auth_free(&a);
	else if (tokens_file)
		make_counters(a, metrics);
	return a;
}

void wb_auth_free(struct wb_auth **a)
{
	if (!*a)
		return;
	release_set((*a)->set);
	wb_mutex_release(&(*a)->lock);
	free((*a)->file);
	free(*a);
	*a = NULL;
}

static struct token_set *current_set(struct wb_auth *a)
{
	struct token_set *set;

	wb_mutex_lock(&a->lock);
	set = a->set;
	if (set)
		atomic_fetch_add(&set->refs, 1);
	wb_mutex_unlock(&a->lock);
	return set;
}

size_t wb_auth_count(struct wb_auth *a)
{
	struct token_set *set = current_set(a);
	size_t count = set ? set->tokens.count : 0;

	release_set(set);
	return count;
}

/* Refusals */

static void count_refusal(struct wb_auth *a, enum why why)
{
	if (a->refused[why])
		wb_counter_add(a->refused[why], 1);
}

/* One for a request whose sender is not known, or not well enough. */
static void refuse(struct wb_auth *a, enum why why, struct wb_auth_refusal *ret)
{
	static const struct {
		unsigned status;
		const char *code, *detail, *authenticate;
	} texts[] = {
		[MISSING] = { 401, "token-required", "this needs a token, as Authorization: Bearer or as x-api-key",
			CHALLENGE },
		[INVALID] = { 401, "invalid-token", "the token is not one that is in force",
			CHALLENGE ", error=\"invalid_token\", error_description=\"not in force\"" },
		[EXPIRED] = { 401, "expired-token", "the token has expired",
			CHALLENGE ", error=\"invalid_token\", error_description=\"expired\"" },
		[AMBIGUOUS] = { 400, "ambiguous-token", "Authorization and x-api-key hold different tokens",
			CHALLENGE ", error=\"invalid_request\"" },
	};

	*ret = (struct wb_auth_refusal){ .status = texts[why].status, .code = texts[why].code };
	(void)wb_error_set(&ret->detail, WB_EINVAL, "%s", texts[why].detail);
	(void)snprintf(ret->authenticate, sizeof ret->authenticate, "%s", texts[why].authenticate); /* fits */
	count_refusal(a, why);
}

static void refuse_scope(const struct wb_identity *i, enum wb_scope scope, struct wb_auth_refusal *ret)
{
	const char *word = scope == WB_SCOPE_PUBLISH ? "publish" : "read";

	*ret = (struct wb_auth_refusal){ .status = 403, .code = "insufficient-scope" };
	(void)wb_error_set(&ret->detail, WB_EINVAL, "the token %s does not have the scope %s", i->token->name, word);
	(void)snprintf(ret->authenticate, sizeof ret->authenticate,
		CHALLENGE ", error=\"insufficient_scope\", scope=\"%s\"", word); /* fits */
	count_refusal(i->auth, SCOPE);
}

static void refuse_target(
	const struct wb_identity *i, const char *what, struct wb_slice name, struct wb_auth_refusal *ret)
{
	*ret = (struct wb_auth_refusal){ .status = 403, .code = "target-not-allowed" };
	if (name.len > 0)
		(void)wb_error_set(&ret->detail, WB_EINVAL, "the token %s is not for the %s %.*s", i->token->name, what,
			name.len > 255 ? 255 : (int)name.len, name.data);
	else
		(void)wb_error_set(&ret->detail, WB_EINVAL,
			"the token %s is not for the consumers' own %s: name the %s that is meant", i->token->name,
			what, what);
	count_refusal(i->auth, TARGET);
}

/* The account's lock is held. */
static void refuse_rate(const struct wb_identity *i, struct wb_rate *rate, const char *what, struct wb_auth_time now,
	struct wb_auth_refusal *ret)
{
	*ret = (struct wb_auth_refusal){ .status = 429, .code = "rate-limited" };
	ret->retry_after_s = wb_rate_wait_s(rate, now.mono_ms);
	(void)wb_error_set(&ret->detail, WB_EFULL, "the token %s may send %lld %s a second", i->token->name,
		(long long)rate->per_s, what);
	count_refusal(i->auth, RATE);
}

/* Admission */

static struct wb_slice trimmed(struct wb_slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = wb_slice(s.data + 1, s.len - 1);
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The token of an Authorization header; absent when that has another scheme. */
static struct wb_slice bearer_token(struct wb_slice authorization)
{
	static const char scheme[] = "Bearer";
	const size_t len = sizeof scheme - 1;

	authorization = trimmed(authorization);
	if (authorization.len <= len || strncasecmp(authorization.data, scheme, len) != 0 ||
		authorization.data[len] != ' ')
		return wb_slice(NULL, 0);
	return trimmed(wb_slice(authorization.data + len, authorization.len - len));
}

static const struct wb_token *identify(
	const struct token_set *set, const struct wb_credentials *shown, int64_t wall_ms, enum why *ret_why)
{
	struct wb_slice bearer = bearer_token(shown->authorization), key = trimmed(shown->api_key);
	const struct wb_token *token;

	*ret_why = MISSING;
	if (!bearer.data && !key.data)
		return NULL;
	*ret_why = AMBIGUOUS;
	if (bearer.data && key.data && !wb_crypto_equal(bearer, key))
		return NULL;
	token = wb_tokens_find(&set->tokens, bearer.data ? bearer : key);
	*ret_why = token ? EXPIRED : INVALID;
	return token && wall_ms < token->expires_ms ? token : NULL;
}

static struct wb_identity *identity_new(struct wb_auth *a, struct token_set *set, const struct wb_token *token)
{
	struct wb_identity *i = wb_xcalloc(1, sizeof *i);

	i->auth = a;
	i->set = set;
	i->token = token;
	i->account = token ? set->accounts[token - set->tokens.items] : NULL;
	return i;
}

/* Takes one request, where there is one left and no documents are owed. */
static bool take_request(
	const struct wb_identity *i, enum wb_scope scope, struct wb_auth_time now, struct wb_auth_refusal *ret)
{
	struct account *a = i->account;
	bool ready;

	wb_mutex_lock(&a->lock);
	ready = wb_rate_ready(&a->requests, now.mono_ms);
	if (!ready) {
		refuse_rate(i, &a->requests, "requests", now, ret);
	} else if (scope == WB_SCOPE_PUBLISH && !wb_rate_ready(&a->documents, now.mono_ms)) {
		refuse_rate(i, &a->documents, "documents", now, ret);
		ready = false;
	} else {
		wb_rate_take(&a->requests, 1, now.mono_ms);
	}
	wb_mutex_unlock(&a->lock);
	if (!ready)
		wb_identity_rate_texts(i, now, &ret->rate);
	return ready;
}

struct wb_identity *wb_auth_admit(struct wb_auth *a, const struct wb_credentials *shown, enum wb_scope scope,
	struct wb_auth_time now, struct wb_auth_refusal *ret)
{
	struct token_set *set = current_set(a);
	const struct wb_token *token;
	struct wb_identity *i;
	enum why why;

	if (!set)
		return identity_new(a, NULL, NULL);
	token = identify(set, shown, now.wall_ms, &why);
	if (!token) {
		release_set(set);
		refuse(a, why, ret);
		return NULL;
	}
	i = identity_new(a, set, token);
	if (!(token->scopes & scope))
		refuse_scope(i, scope, ret);
	else if (take_request(i, scope, now, ret))
		return i;
	wb_identity_release(&i);
	return NULL;
}

void wb_identity_release(struct wb_identity **i)
{
	if (!*i)
		return;
	release_set((*i)->set);
	free(*i);
	*i = NULL;
}

/* What an identity may do */

const char *wb_identity_principal(const struct wb_identity *i)
{
	return i->token ? i->token->name : ANONYMOUS;
}

bool wb_identity_may_publish(
	const struct wb_identity *i, struct wb_slice database, struct wb_slice container, struct wb_auth_refusal *ret)
{
	if (!i->token)
		return true;
	if (!wb_token_names_allow(&i->token->databases, database)) {
		refuse_target(i, "database", database, ret);
		return false;
	}
	if (!wb_token_names_allow(&i->token->containers, container)) {
		refuse_target(i, "container", container, ret);
		return false;
	}
	return true;
}

bool wb_identity_may_list(const struct wb_identity *i, struct wb_auth_refusal *ret)
{
	if (!i->token || (i->token->databases.any && i->token->containers.any))
		return true;
	*ret = (struct wb_auth_refusal){ .status = 403, .code = "target-not-allowed" };
	(void)wb_error_set(&ret->detail, WB_EINVAL,
		"the token %s is not for every database and container, and this shows the jobs of all", i->token->name);
	count_refusal(i->auth, TARGET);
	return false;
}

bool wb_identity_take_documents(
	struct wb_identity *i, uint64_t count, struct wb_auth_time now, struct wb_auth_refusal *ret)
{
	struct account *a = i->account;
	bool ready;

	if (!a)
		return true;
	wb_mutex_lock(&a->lock);
	ready = wb_rate_ready(&a->documents, now.mono_ms);
	if (ready)
		wb_rate_take(&a->documents, count, now.mono_ms);
	else
		refuse_rate(i, &a->documents, "documents", now, ret);
	wb_mutex_unlock(&a->lock);
	if (!ready)
		wb_identity_rate_texts(i, now, &ret->rate);
	return ready;
}

void wb_identity_owe_documents(struct wb_identity *i, uint64_t count, struct wb_auth_time now)
{
	if (!i->account)
		return;
	wb_mutex_lock(&i->account->lock);
	wb_rate_take(&i->account->documents, count, now.mono_ms);
	wb_mutex_unlock(&i->account->lock);
}

/* Headers */

static void append(char *text, size_t size, const char *name, const char *key, int64_t value, char key2, int64_t value2)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, size - len, "%s\"%s\";%s=%lld;%c=%lld", len ? ", " : "", name, key, (long long)value,
		key2, (long long)value2); /* the texts have room for two of the largest */
}

static void append_rate(const char *name, struct wb_rate *rate, int64_t now_ms, struct wb_rate_texts *ret)
{
	if (rate->per_s == 0)
		return;
	append(ret->limit, sizeof ret->limit, name, "r", wb_rate_left(rate, now_ms), 't', wb_rate_full_s(rate, now_ms));
	append(ret->policy, sizeof ret->policy, name, "q", rate->per_s * rate->burst_s, 'w', rate->burst_s);
}

void wb_identity_rate_texts(const struct wb_identity *i, struct wb_auth_time now, struct wb_rate_texts *ret)
{
	*ret = (struct wb_rate_texts){ "", "" };
	if (!i->account)
		return;
	wb_mutex_lock(&i->account->lock);
	append_rate("requests", &i->account->requests, now.mono_ms, ret);
	append_rate("documents", &i->account->documents, now.mono_ms, ret);
	wb_mutex_unlock(&i->account->lock);
}

size_t wb_rate_headers(const struct wb_rate_texts *texts, struct wb_http_response_header ret[WB_RATE_HEADERS])
{
	if (!texts->limit[0])
		return 0;
	ret[0] = (struct wb_http_response_header){ "RateLimit", texts->limit };
	ret[1] = (struct wb_http_response_header){ "RateLimit-Policy", texts->policy };
	return 2;
}
