#include "consumer/state.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/base/version.h"
#include "common/http/problem.h"
#include "consumer/state_json.h"

#include <stdlib.h>

#define ANSWER_MS   1000
#define WAITING_MAX 64 /* as many as the admin port has connections */
#define PAGE_MAX    (8 * 1024 * 1024)

struct wb_state {
	struct wb_state_settings settings;
	int64_t started_ms; /* wall clock */
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct wb_http_request *waiting[WAITING_MAX]; /* under lock, as all below */
	size_t count;
	bool stop;
};

static void refuse(struct wb_http_request *r, const char *code, const char *detail)
{
	wb_problem_respond(r, &(struct wb_problem){ .status = 503, .code = code, .detail = detail, .index = -1 });
}

static void on_state(void *arg, struct wb_http_request *r)
{
	struct wb_state *s = arg;
	bool stop, full;

	wb_mutex_lock(&s->lock);
	stop = s->stop;
	full = s->count == WAITING_MAX;
	if (!stop && !full)
		s->waiting[s->count++] = r;
	wb_cond_signal(&s->changed);
	wb_mutex_unlock(&s->lock);
	if (stop)
		refuse(r, "stopping", "the consumer stops");
	else if (full)
		refuse(r, "overloaded", "too many ask at once");
}

/* The page as it is now. */
static void write_page(struct wb_state *s, struct wb_buf *page)
{
	const struct wb_state_settings *settings = &s->settings;
	struct wb_board_answer *answers;
	struct wb_state_facts facts = { .program = settings->program,
		.version = WB_VERSION,
		.group_id = settings->options->group_id,
		.started_ms = s->started_ms,
		.memory_budget_bytes = settings->options->memory_budget_bytes };
	struct wb_buf health;
	size_t count;

	wb_board_ask(settings->board, ANSWER_MS, &answers, &count);
	wb_buf_init(&health, 64 * 1024);
	wb_health_render(settings->health, &health);
	facts.health = wb_buf_slice(&health);
	facts.draining = wb_lifecycle_state(settings->lifecycle) >= WB_DRAINING;
	facts.wall_ms = wb_clock_wall_ms();
	wb_state_json(&facts, answers, count, page);
	wb_board_answers_free(&answers, count);
	wb_buf_release(&health);
}

static void respond(struct wb_state *s, struct wb_http_request *const *waiting, size_t count)
{
	static const struct wb_http_response_header headers[] = { { "Cache-Control", "no-store" }, { NULL, NULL } };
	struct wb_buf page;

	wb_buf_init(&page, PAGE_MAX);
	write_page(s, &page);
	for (size_t i = 0; i < count; i++) {
		if (wb_buf_status(&page) == WB_OK)
			wb_http_respond(waiting[i], 200, "application/json", wb_buf_slice(&page), headers);
		else
			refuse(waiting[i], "page-too-large", "the state does not fit a page");
	}
	wb_buf_release(&page);
}

static void *state_loop(void *arg)
{
	struct wb_state *s = arg;

	wb_mutex_lock(&s->lock);
	while (!s->stop) {
		struct wb_http_request *waiting[WAITING_MAX];
		size_t count = s->count;

		if (count == 0) {
			wb_cond_wait(&s->changed, &s->lock);
			continue;
		}
		memcpy(waiting, s->waiting, count * sizeof *waiting);
		s->count = 0;
		wb_mutex_unlock(&s->lock);
		respond(s, waiting, count);
		wb_mutex_lock(&s->lock);
	}
	wb_mutex_unlock(&s->lock);
	return NULL;
}

struct wb_state *wb_state_new(const struct wb_state_settings *settings)
{
	struct wb_state *s = wb_xcalloc(1, sizeof *s);

	s->settings = *settings;
	s->started_ms = wb_clock_wall_ms();
	wb_mutex_init(&s->lock);
	wb_cond_init(&s->changed);
	s->thread = wb_thread_start("state", state_loop, s);
	return s;
}

struct wb_http_route wb_state_route(struct wb_state *s)
{
	return (struct wb_http_route){ .method = "GET", .path = "/v1/state", .handler = on_state, .arg = s };
}

void wb_state_stop(struct wb_state *s)
{
	wb_mutex_lock(&s->lock);
	s->stop = true;
	wb_cond_signal(&s->changed);
	wb_mutex_unlock(&s->lock);
	wb_board_close(s->settings.board);
	wb_thread_join(s->thread);
	for (size_t i = 0; i < s->count; i++)
		refuse(s->waiting[i], "stopping", "the consumer stops");
	s->count = 0;
}

void wb_state_free(struct wb_state **s)
{
	if (!*s)
		return;
	wb_cond_release(&(*s)->changed);
	wb_mutex_release(&(*s)->lock);
	free(*s);
	*s = NULL;
}
