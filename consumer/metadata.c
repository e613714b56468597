#include "consumer/metadata.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/prng.h"
#include "common/base/thread.h"
#include "consumer/metadata_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECTIONS         2
#define BACKOFF_BASE_MS     100
#define BACKOFF_CAP_MS      1500 /* as WB_THROTTLE_BACKOFF_CAP_MS: how late a recovery may be noticed */
#define COMPLAIN_MS         60000
#define COMPLAIN_ANEW_MS    10000
#define PROBES_MAX          3
#define REFRESH_INTERVAL_MS 100
#define SAME_PLACE_MS       1000
#define WATCH_MS            30000
#define PROBE_AGAIN_MS      60000
/* So often, and over so long a time, a container must be said not to exist before writes die of it. */
#define DENIALS_MIN 3
#define DENIED_MS   3000

/* Where the account is written to, and when that is asked next. But for wanted the thread's own. */
struct relocation {
	_Atomic bool wanted;
	bool ask_current; /* the configured endpoint gave no answer: the other one's turn */
	int64_t due_ms;   /* not before, when it is wanted */
	int64_t watch_ms; /* away from the configured endpoint: also when nobody asks for it */
	int64_t complained_ms;
	struct wb_backoff backoff;
	struct wb_counter *moves, *reads;
};

struct wb_metadata {
	struct wb_metadata_settings settings;
	struct wb_account account;
	struct wb_transport *transport;
	struct wb_prng random;
	unsigned next_worker; /* the thread's own */
	struct relocation relocation;
	struct wb_counter *reads;
	atomic_bool stop;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct wb_container *containers; /* under lock; grows at its head only */
};

/* What one attempt read of a container. */
struct reading {
	struct wb_container_description description;
	struct wb_range_map *map;
	bool first, anew;
	bool probed, bulk, guessed; /* whether the server does bulk was asked; bulk and guessed are meaningful then */
};

static void reading_release(struct reading *r)
{
	wb_json_paths_release(&r->description.definition.paths);
	wb_range_map_free(&r->map);
}

static struct wb_metadata_source source_of(const struct wb_metadata *m, const struct wb_container *c)
{
	return (struct wb_metadata_source){ .transport = m->transport,
		.stop = &m->stop,
		.link = c->link,
		.container_path = c->container_path,
		.docs_path = c->docs_path,
		.ranges_path = c->ranges_path };
}

static bool is_settled(const struct wb_container *c)
{
	return c->stretches != NULL;
}

static bool doubts_bulk(const struct wb_container *c)
{
	return c->probe_again_ms && wb_clock_mono_ms() >= c->probe_again_ms;
}

static enum wb_err probe_bulk(
	struct wb_container *c, struct wb_metadata_source *source, struct reading *ret, struct wb_error *e)
{
	enum wb_err err = wb_metadata_probe_bulk(source, &ret->description.definition, ret->map, &ret->bulk, e);

	ret->probed = true;
	ret->guessed = err == WB_EUNSUPPORTED;
	if (!ret->first && !ret->anew && (err == WB_EIO || err == WB_EUNSUPPORTED)) {
		ret->guessed = true; /* nothing waits for the answer: it goes on as it is */
		ret->bulk = atomic_load(&c->bulk);
		return WB_OK;
	}
	if (err == WB_EUNSUPPORTED)
		err = ++c->probes < PROBES_MAX ? WB_EIO : WB_OK;
	return err == WB_ENOTFOUND ? WB_EIO : err; /* it was there a moment ago */
}

/* ret_stale: it has another partition key now. */
static enum wb_err read_container(struct wb_container *c, struct wb_metadata_source *source, struct reading *ret,
	bool *ret_stale, struct wb_error *e)
{
	struct wb_container_description *found = &ret->description;
	enum wb_err err = wb_metadata_load_definition(source, found, e);

	ret->first = !is_settled(c);
	*ret_stale = !ret->first &&
		(err == WB_EUNSUPPORTED || (err == WB_OK && !wb_pk_definition_eq(&found->definition, &c->definition)));
	if (err != WB_OK || *ret_stale)
		return err;
	ret->anew = !ret->first && c->rid[0] && found->rid[0] && strcmp(c->rid, found->rid) != 0;
	err = wb_metadata_load_ranges(source, &ret->map, e);
	return err == WB_OK && (ret->first || ret->anew || doubts_bulk(c)) ? probe_bulk(c, source, ret, e) : err;
}

/* What a probe found out; a range is of one kind for life, so all ranges are new when the kind turns out another. */
static void adopt_bulk(struct wb_metadata *m, struct wb_container *c, struct reading *r)
{
	int64_t again_ms = m->settings.probe_again_ms ? m->settings.probe_again_ms : PROBE_AGAIN_MS;

	if (!r->first && atomic_load(&c->bulk) != r->bulk)
		r->anew = true;
	atomic_store(&c->bulk, r->bulk);
	c->probe_again_ms = r->guessed ? wb_clock_mono_ms() + again_ms : 0;
	c->probes = 0;
}

/* Makes it what is known of the container; true when that is something new. */
static bool adopt(struct wb_metadata *m, struct wb_container *c, struct reading *r)
{
	size_t ranges = wb_range_map_count(r->map);
	bool changed;

	if (r->probed)
		adopt_bulk(m, c, r);
	memcpy(c->rid, r->description.rid, sizeof c->rid);
	if (r->first) {
		wb_container_settle(c, &r->description.definition, r->map, m->next_worker, m->settings.workers);
		m->next_worker = (unsigned)((m->next_worker + ranges) % m->settings.workers);
	}
	changed = wb_container_publish(c, r->map, r->anew);
	r->map = NULL;
	if (changed)
		wb_log_info(m->settings.log,
			r->first          ? "container known"
				: r->anew ? "container was made anew, or does bulk otherwise"
					  : "partition key ranges changed",
			WB_STR("container", c->link), WB_INT("ranges", ranges), WB_BOOL("bulk", atomic_load(&c->bulk)));
	else if (atomic_load(&c->state) == WB_CONTAINER_MISSING)
		wb_log_info(m->settings.log, "container is back", WB_STR("container", c->link));
	return atomic_exchange(&c->state, WB_CONTAINER_KNOWN) != WB_CONTAINER_KNOWN || changed;
}

/* Says it at once, then once a minute while it lasts. */
static void complain(struct wb_metadata *m, struct wb_container *c, const char *event)
{
	int64_t now_ms = wb_clock_mono_ms(), ago_ms = now_ms - c->complained_ms;
	bool same = strcmp(c->complaint, c->problem) == 0;

	if (c->complaint[0] && ago_ms < (same ? COMPLAIN_MS : COMPLAIN_ANEW_MS))
		return;
	(void)snprintf(c->complaint, sizeof c->complaint, "%s", c->problem);
	c->complained_ms = now_ms;
	wb_log_warn(m->settings.log, event, WB_STR("container", c->link), WB_STR("why", c->problem));
}

static void is_fine(struct wb_container *c)
{
	wb_backoff_reset(&c->backoff);
	c->due_ms = wb_clock_mono_ms() + REFRESH_INTERVAL_MS;
	c->problem[0] = c->complaint[0] = '\0';
	c->problem_ms = 0;
	c->denials = 0;
}

/* Letters cannot be taken back, so it has to be said more than once. */
static bool is_certain(const struct wb_metadata *m, struct wb_container *c)
{
	if (c->denials++ == 0)
		c->denied_ms = wb_clock_mono_ms();
	return !m->settings.options->missing_is_dead ||
		(c->denials >= DENIALS_MIN && wb_clock_mono_ms() - c->denied_ms >= DENIED_MS);
}

/* True when it was not known to be missing. */
static bool is_missing(struct wb_metadata *m, struct wb_container *c)
{
	bool certain = is_certain(m, c), dead = m->settings.options->missing_is_dead;
	char since[WB_CLOCK_RFC3339_SIZE];
	bool news = certain && atomic_load(&c->state) != WB_CONTAINER_MISSING;

	if (c->denials == 1)
		c->problem_ms = wb_clock_wall_ms();
	wb_clock_rfc3339(c->problem_ms, since);
	(void)snprintf(c->problem, sizeof c->problem,
		"container %.100s of database %.100s does not exist since %s: create it, or correct the names; its "
		"writes %s",
		c->name, c->database, since,
		!dead             ? "wait"
			: certain ? "become dead letters"
				  : "wait; it is asked again before they become dead letters"); /* cutting is meant */
	if (certain)
		atomic_store(&c->state, WB_CONTAINER_MISSING);
	complain(m, c, "container does not exist");
	return news;
}

static void is_unreadable(struct wb_metadata *m, struct wb_container *c, const char *why)
{
	if (atomic_load(&c->state) != WB_CONTAINER_MISSING)
		c->denials = 0;
	(void)snprintf(c->problem, sizeof c->problem, "%s: %s", c->link, why); /* cutting is meant */
	complain(m, c, "container cannot be read yet; its writes wait");
}

/* Under lock: no container that counts has something against it. */
static void tell_health(struct wb_metadata *m)
{
	const char *why = NULL;

	for (const struct wb_container *c = m->containers; c && !why; c = c->next) {
		enum wb_container_state state = atomic_load(&c->state);

		if (state != WB_CONTAINER_STALE && c->problem[0])
			why = c->problem;
		else if (state == WB_CONTAINER_UNKNOWN)
			why = "a container is being read";
	}
	wb_health_set(m->settings.health, "containers", !why, why ? why : "");
}

static void want_relocation(struct wb_metadata *m)
{
	atomic_store(&m->relocation.wanted, true);
}

static bool away_from_home(const struct wb_metadata *m)
{
	return wb_account_endpoint(&m->account) != m->account.endpoints[0];
}

static void attempt(struct wb_metadata *m, struct wb_container *c)
{
	struct wb_metadata_source source = source_of(m, c);
	struct wb_error why = { "" };
	struct reading r = { .map = NULL };
	bool stale = false, news = false;
	enum wb_err err;

	atomic_store(&c->wanted, false);
	wb_counter_add(m->reads, 1);
	err = read_container(c, &source, &r, &stale, &why);
	if (stale) {
		wb_log_info(m->settings.log, "container was made anew with another partition key",
			WB_STR("container", c->link));
		atomic_store(&c->state, WB_CONTAINER_STALE);
		is_fine(c);
		news = true;
	} else if (err == WB_OK) {
		news = adopt(m, c, &r);
		is_fine(c);
	} else if (err != WB_ECLOSED) {
		c->due_ms = wb_clock_mono_ms() + wb_backoff_next_ms(&c->backoff, wb_prng_next(&m->random), 0);
		atomic_store(&c->wanted, true);
		if (err == WB_ENOTFOUND)
			news = is_missing(m, c);
		else
			is_unreadable(m, c, why.text);
		if (source.moved || (source.no_reply && away_from_home(m)))
			want_relocation(m);
	}
	wb_container_reclaim(c);
	reading_release(&r);
	if (news)
		m->settings.on_change(m->settings.arg);
}

static void complain_of_account(struct wb_metadata *m, const char *event, const char *why)
{
	struct relocation *r = &m->relocation;
	int64_t now_ms = wb_clock_mono_ms();

	if (r->complained_ms && now_ms - r->complained_ms < COMPLAIN_MS)
		return;
	r->complained_ms = now_ms;
	wb_log_warn(m->settings.log, event, WB_STR("endpoint", wb_account_endpoint(&m->account)), WB_STR("why", why));
}

/* The account named a place: go there. */
static void go_to(struct wb_metadata *m, struct wb_slice place)
{
	struct relocation *r = &m->relocation;
	const char *before = wb_account_endpoint(&m->account);

	wb_backoff_reset(&r->backoff);
	r->due_ms = wb_clock_mono_ms() + SAME_PLACE_MS + (int64_t)(wb_prng_next(&m->random) % (SAME_PLACE_MS / 4));
	if (wb_account_move(&m->account, place)) {
		wb_counter_add(r->moves, 1);
		r->complained_ms = 0;
		wb_log_info(m->settings.log, "the account is written to elsewhere now", WB_STR("from", before),
			WB_STR("to", wb_account_endpoint(&m->account)));
		m->settings.on_change(m->settings.arg);
	} else if (place.len < strlen(before) || memcmp(place.data, before, strlen(before)) != 0) {
		complain_of_account(m, "the account names an endpoint that cannot be used", place.data);
	}
}

/* The configured endpoint knows best; when it does not answer, the one that we write to now is asked, and so in turn. */
static void relocate(struct wb_metadata *m)
{
	struct relocation *r = &m->relocation;
	struct wb_metadata_source source = { .transport = m->transport, .stop = &m->stop };
	struct wb_error why = { "" };
	struct wb_buf place;
	enum wb_err err;

	atomic_store(&r->wanted, false);
	wb_counter_add(r->reads, 1);
	wb_buf_init(&place, 2048);
	err = wb_metadata_load_account(
		&source, r->ask_current ? wb_account_endpoint(&m->account) : m->account.endpoints[0], &place, &why);
	if (err == WB_OK && wb_buf_status(&place) != WB_OK)
		err = wb_error_set(&why, WB_EIO, "the account's endpoint is too long");
	if (err == WB_OK) {
		r->ask_current = false;
		go_to(m, wb_buf_slice(&place));
	} else if (err != WB_ECLOSED) {
		r->ask_current = !r->ask_current && away_from_home(m);
		r->due_ms = wb_clock_mono_ms() + wb_backoff_next_ms(&r->backoff, wb_prng_next(&m->random), 0);
		want_relocation(m);
		complain_of_account(m, "the account's locations cannot be read", why.text);
	}
	r->watch_ms = wb_clock_mono_ms() + WATCH_MS + (int64_t)(wb_prng_next(&m->random) % WATCH_MS);
	wb_buf_release(&place);
}

static int64_t relocation_due_ms(const struct wb_metadata *m)
{
	const struct relocation *r = &m->relocation;

	if (atomic_load(&r->wanted))
		return r->due_ms;
	return away_from_home(m) ? r->watch_ms : INT64_MAX;
}

/* When the container is to be read: because it is wanted, or because what is known of it is doubted. */
static int64_t container_due_ms(const struct wb_container *c)
{
	if (atomic_load(&c->state) == WB_CONTAINER_STALE)
		return INT64_MAX;
	if (atomic_load(&c->wanted))
		return c->due_ms;
	return c->probe_again_ms ? c->probe_again_ms : INT64_MAX;
}

/* Under lock: the container that is due first; *ret_due_ms when. */
static struct wb_container *next_wanted(struct wb_metadata *m, int64_t *ret_due_ms)
{
	struct wb_container *first = NULL;

	*ret_due_ms = INT64_MAX;
	for (struct wb_container *c = m->containers; c; c = c->next) {
		if (container_due_ms(c) < *ret_due_ms) {
			first = c;
			*ret_due_ms = container_due_ms(c);
		}
	}
	return first;
}

/* Under lock, which it lets go meanwhile. */
static void work(struct wb_metadata *m, struct wb_container *c)
{
	wb_mutex_unlock(&m->lock);
	if (c)
		attempt(m, c);
	else
		relocate(m);
	wb_mutex_lock(&m->lock);
	tell_health(m);
}

static void *metadata_loop(void *arg)
{
	struct wb_metadata *m = arg;

	wb_mutex_lock(&m->lock);
	while (!atomic_load(&m->stop)) {
		int64_t container_ms, account_ms = relocation_due_ms(m), now_ms = wb_clock_mono_ms();
		struct wb_container *c = next_wanted(m, &container_ms);

		if (account_ms <= now_ms)
			work(m, NULL);
		else if (container_ms <= now_ms)
			work(m, c);
		else if (account_ms == INT64_MAX && container_ms == INT64_MAX)
			wb_cond_wait(&m->changed, &m->lock);
		else /* it looks again in any case */
			(void)wb_cond_wait_until(
				&m->changed, &m->lock, account_ms < container_ms ? account_ms : container_ms);
	}
	wb_mutex_unlock(&m->lock);
	return NULL;
}

static void make_metrics(struct wb_metadata *m)
{
	struct wb_metrics *metrics = m->settings.metrics;

	m->reads = wb_metrics_counter(
		metrics, "writebehind_container_reads_total", "Readings of a container's definition and ranges.", "");
	m->relocation.reads = wb_metrics_counter(
		metrics, "writebehind_account_reads_total", "Readings of the account's writable locations.", "");
	m->relocation.moves = wb_metrics_counter(
		metrics, "writebehind_account_moves_total", "Fail-overs of the account that were followed.", "");
}

struct wb_metadata *wb_metadata_new(const struct wb_metadata_settings *settings, struct wb_error *e)
{
	struct wb_metadata *m = wb_xcalloc(1, sizeof *m);

	wb_account_init(&m->account, settings->options->endpoint);
	m->transport = wb_transport_new(settings->options, &m->account, settings->client, CONNECTIONS, e);
	if (!m->transport) {
		wb_account_release(&m->account);
		free(m);
		return NULL;
	}
	m->settings = *settings;
	m->relocation.backoff = wb_backoff_make(BACKOFF_BASE_MS, BACKOFF_CAP_MS);
	atomic_init(&m->relocation.wanted, false);
	wb_crypto_random(&m->random.state, sizeof m->random.state);
	make_metrics(m);
	wb_mutex_init(&m->lock);
	wb_cond_init(&m->changed);
	atomic_init(&m->stop, false);
	m->thread = wb_thread_start("metadata", metadata_loop, m);
	return m;
}

void wb_metadata_free(struct wb_metadata **m)
{
	struct wb_metadata *old = *m;

	if (!old)
		return;
	wb_mutex_lock(&old->lock);
	atomic_store(&old->stop, true);
	wb_cond_broadcast(&old->changed);
	wb_mutex_unlock(&old->lock);
	wb_transport_wake(old->transport);
	wb_thread_join(old->thread);
	wb_transport_free(&old->transport);
	while (old->containers) {
		struct wb_container *c = old->containers;

		old->containers = c->next;
		wb_container_free(c);
	}
	wb_account_release(&old->account);
	wb_cond_release(&old->changed);
	wb_mutex_release(&old->lock);
	free(old);
	*m = NULL;
}

const struct wb_account *wb_metadata_account(const struct wb_metadata *m)
{
	return &m->account;
}

struct wb_container *wb_metadata_container(struct wb_metadata *m, struct wb_slice database, struct wb_slice name)
{
	struct wb_container *c;

	wb_mutex_lock(&m->lock);
	for (c = m->containers; c; c = c->next) {
		if (wb_slice_eq_cstr(name, c->name) && wb_slice_eq_cstr(database, c->database) &&
			atomic_load(&c->state) != WB_CONTAINER_STALE)
			break;
	}
	if (!c) {
		c = wb_container_new(database, name);
		c->backoff = wb_backoff_make(BACKOFF_BASE_MS, BACKOFF_CAP_MS);
		c->next = m->containers;
		m->containers = c;
		wb_health_set(m->settings.health, "containers", false, "a container is being read");
		wb_cond_signal(&m->changed);
	}
	wb_mutex_unlock(&m->lock);
	return c;
}

/* What is wanted was set before: the thread looks at it under the lock. */
static void rouse(struct wb_metadata *m)
{
	wb_mutex_lock(&m->lock);
	wb_cond_signal(&m->changed);
	wb_mutex_unlock(&m->lock);
}

void wb_metadata_refresh(struct wb_metadata *m, const struct wb_container *c)
{
	/* Callers see containers read-only; what is asked of them is ours. */
	struct wb_container *mutable = (struct wb_container *)c;

	if (!atomic_exchange(&mutable->wanted, true))
		rouse(m);
}

void wb_metadata_relocate(struct wb_metadata *m)
{
	if (!atomic_exchange(&m->relocation.wanted, true))
		rouse(m);
}
