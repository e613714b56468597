/* writebehind-publish: a file of documents straight to Kafka, as one job. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/kafka/producer.h"
#include "common/kafka/topics.h"
#include "producer/follow.h"
#include "producer/options.h"
#include "producer/publish_input.h"
#include "producer/render.h"
#include "producer/request.h"
#include "producer/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM        "writebehind-publish"
#define PROGRESS_MS    200
#define STEP_MS        100
#define LINE_BYTES_MAX (1024 * 1024)

enum { EXIT_GOOD, EXIT_REFUSED, EXIT_USAGE, EXIT_KAFKA };

extern char **environ;

struct publish {
	struct wb_publish_config config;
	const char *file;
	struct wb_log *log;
	struct wb_item_rules rules;
	struct wb_request_stream stream;
	struct wb_kafka_producer *kafka;
	struct wb_follow *follow;
	struct wb_sender sender;
	int32_t results_partitions;
	char job[WB_JOB_ID_SIZE];
	int fd;
	bool show;                 /* progress, on a terminal */
	bool accepted;             /* the job */
	int64_t start_ms, shown_ms;
};

/* The line of progress is rewritten in place; it ends before anything else is said. */
static void clear_progress(const struct publish *p)
{
	if (p->show && p->shown_ms)
		(void)fputs("\r\033[K", stderr);
}

static int complain(const struct publish *p, int code, const char *text)
{
	clear_progress(p);
	(void)fprintf(stderr, PROGRAM ": %s\n", text);
	return code;
}

static void show_progress(void *arg)
{
	struct publish *p = arg;
	int64_t now_ms = wb_clock_mono_ms();
	uint64_t acked;

	if (!p->show || now_ms - p->shown_ms < PROGRESS_MS)
		return;
	p->shown_ms = now_ms;
	acked = atomic_load(&p->sender.acked);
	(void)fprintf(stderr, "\r\033[K%" PRIu64 " published, %.0f a second", acked,
		(double)acked * 1000 / (double)(now_ms - p->start_ms + 1));
}

static void show_status(struct publish *p, const struct wb_job_info *info)
{
	int64_t now_ms = wb_clock_mono_ms();

	if (!p->show || now_ms - p->shown_ms < PROGRESS_MS)
		return;
	p->shown_ms = now_ms;
	(void)fprintf(stderr,
		"\r\033[K%" PRIu64 " accepted, %" PRIu64 " written, %" PRIu64 " dead, %" PRIu64 " pending",
		info->accepted, info->written + info->superseded, info->dead, info->pending);
}

/* Start */

static int check_flags(
	const struct publish *p, enum wb_op *ret_op, enum wb_split_format *ret_format, struct wb_error *why)
{
	const struct wb_publish_config *c = &p->config;
	const char *format = c->format ? c->format : c->unchecked ? "ndjson" : "auto";
	struct wb_request_error refused;

	*ret_op = WB_OP_UPSERT;
	if (c->op && !wb_request_op(wb_slice_cstr(c->op), ret_op, &refused))
		return (int)wb_error_set(why, WB_EINVAL, "--op: %s", refused.detail.text);
	if (c->unchecked && (*ret_op == WB_OP_DELETE || *ret_op == WB_OP_PATCH))
		return (int)wb_error_set(why, WB_EINVAL,
			"--unchecked cannot %s: the item that a %s is for has to be read", c->op, c->op);
	if (c->generate_ids && (c->unchecked || (*ret_op != WB_OP_UPSERT && *ret_op != WB_OP_CREATE)))
		return (int)wb_error_set(why, WB_EINVAL,
			"--generate-ids is for upserts and creates that are checked: the others are passed on as they "
			"are");
	if (c->untracked && c->wait)
		return (int)wb_error_set(why, WB_EINVAL, "--wait needs a job, so it does not go with --untracked");
	if ((c->database && !wb_request_name_valid(wb_slice_cstr(c->database))) ||
		(c->container && !wb_request_name_valid(wb_slice_cstr(c->container))))
		return (int)wb_error_set(why, WB_EINVAL,
			"--database and --container are names: 1 to %d bytes, none of / \\ ? #, no space at the end",
			WB_NAME_LEN_MAX);
	if (strcmp(format, "ndjson") == 0)
		*ret_format = WB_SPLIT_NDJSON;
	else if (strcmp(format, "array") == 0)
		*ret_format = WB_SPLIT_ARRAY;
	else if (strcmp(format, "auto") == 0)
		*ret_format = WB_SPLIT_AUTO;
	else
		return (int)wb_error_set(why, WB_EINVAL, "--format is \"%s\": ndjson, array or auto", format);
	return 0;
}

static enum wb_err open_input(struct publish *p, struct wb_error *why)
{
	if (strcmp(p->file, "-") == 0) {
		p->fd = STDIN_FILENO;
		return WB_OK;
	}
	p->fd = open(p->file, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0)
		return wb_error_set(why, WB_EIO, "%s: %s", p->file, strerror(errno));
	return WB_OK;
}

static enum wb_err start_kafka(struct publish *p, struct wb_error *why)
{
	const struct wb_publish_config *c = &p->config;
	const struct wb_kafka_producer_settings settings = {
		.client_id = PROGRAM,
		.linger_ms = c->linger_ms,
		.delivery_timeout_ms = c->intake.publish_timeout_ms,
		/* Far more than is ever on its way to Kafka and back; the rest would only wait, and grow. */
		.queue_bytes = c->memory_budget_bytes / 8,
		.message_max_bytes = (int64_t)p->rules.record_bytes_max,
	};
	unsigned uses = WB_TOPIC_WRITES | (c->untracked ? 0U : (unsigned)WB_TOPIC_RESULTS);
	enum wb_err err = wb_topics_check(&c->kafka, uses, c->startup_timeout_ms, p->log, why);

	if (err != WB_OK)
		return err;
	p->kafka = wb_kafka_producer_new(&c->kafka, &settings, p->log, why);
	if (!p->kafka)
		return WB_EIO;
	if (c->untracked)
		return WB_OK;
	err = wb_kafka_producer_partitions(
		p->kafka, c->kafka.topic_results, c->startup_timeout_ms, &p->results_partitions, why);
	if (err == WB_OK && c->wait) {
		p->follow = wb_follow_new(
			&c->kafka, PROGRAM, p->job, wb_clock_wall_ms(), c->startup_timeout_ms, p->log, why);
		err = p->follow ? WB_OK : WB_EIO;
	}
	return err;
}

/* Result */

static void print_line(struct wb_buf *line)
{
	wb_buf_append_char(line, '\n');
	(void)fwrite(line->data, 1, line->len, stdout); /* main checks the stream when it is closed */
	(void)fflush(stdout);
	wb_buf_release(line);
}

static void print_published(const struct publish *p)
{
	struct wb_buf line;

	wb_buf_init(&line, LINE_BYTES_MAX);
	if (!p->config.json)
		wb_buf_append_cstr(&line, p->job);
	else if (p->config.untracked)
		wb_buf_appendf(&line, "{\"jobId\":null,\"published\":%" PRIu64 "}", p->sender.sent);
	else
		wb_buf_appendf(&line, "{\"jobId\":\"%s\",\"accepted\":%" PRIu64 "}", p->job, p->sender.sent);
	print_line(&line);
}

static void print_ended(const struct publish *p, const struct wb_job_info *info)
{
	struct wb_buf line;

	clear_progress(p);
	if (p->config.json) {
		wb_buf_init(&line, LINE_BYTES_MAX);
		wb_render_job(info, true, &line);
		print_line(&line);
		return;
	}
	for (size_t i = 0; i < info->failure_count; i++) {
		const struct wb_result_failure *f = &info->failures[i];

		/* As JSON: an id may be dead for what it would do to a terminal. */
		wb_buf_init(&line, LINE_BYTES_MAX);
		if (f->id.data)
			wb_buf_append_json_string(&line, f->id);
		else
			wb_buf_append_cstr(&line, "unknown");
		(void)fprintf(stderr, PROGRAM ": write %" PRIu64 " (id %s) is dead: %s\n", f->seq, line.data,
			wb_reason_text(f->reason));
		wb_buf_release(&line);
	}
	(void)fprintf(stderr,
		PROGRAM ": %s: accepted %" PRIu64 ", written %" PRIu64 ", superseded %" PRIu64 ", dead %" PRIu64 "\n",
		wb_job_status_text(info->status), info->accepted, info->written, info->superseded, info->dead);
}

static int wait_for_end(struct publish *p)
{
	struct wb_job_info info;
	struct wb_error why;
	bool ended = false;

	while (!ended) {
		if (wb_follow_step(p->follow, STEP_MS, &info, &ended, &why) != WB_OK)
			return complain(p, EXIT_KAFKA, why.text);
		show_status(p, &info);
	}
	print_ended(p, &info);
	return info.status == WB_JOB_SUCCEEDED ? EXIT_GOOD : EXIT_REFUSED;
}

/* Says what became of the items before the one that ended the program. */
static int give_up(struct publish *p, int code, const char *text)
{
	uint64_t acked;

	/* Only to count what Kafka took; when Kafka is what is wrong, the count is what came back so far. */
	if (code == EXIT_REFUSED)
		(void)!wb_sender_settle(&p->sender, NULL);
	acked = atomic_load(&p->sender.acked);
	(void)complain(p, code, text);
	if (acked)
		(void)fprintf(stderr, PROGRAM ": %" PRIu64 " items before it were published and %s\n", acked,
			p->config.untracked ? "will be written" : "may be written; no job was accepted");
	return code;
}

static int publish(struct publish *p)
{
	const struct wb_outgoing_target target = {
		.topic = p->config.kafka.topic_writes,
		.job = wb_slice_cstr(p->config.untracked ? NULL : p->job),
		.database = wb_slice_cstr(p->config.database),
		.container = wb_slice_cstr(p->config.container),
	};
	const struct wb_publish_input input = { p->fd, p->file, p->config.unchecked, &p->stream, &p->sender };
	struct wb_error why;
	bool kafka;

	wb_sender_init(&p->sender, p->kafka, &target, p->config.intake.publish_timeout_ms);
	p->sender.progress = show_progress;
	p->sender.progress_arg = p;
	p->start_ms = wb_clock_mono_ms();
	if (wb_publish_input_run(&input, &kafka, &why) != WB_OK)
		return give_up(p, kafka ? EXIT_KAFKA : EXIT_REFUSED, why.text);
	if (p->sender.sent == 0)
		return complain(p, EXIT_REFUSED, "there is nothing to publish in it");
	if (wb_sender_settle(&p->sender, &why) != WB_OK)
		return give_up(p, EXIT_KAFKA, why.text);
	if (!p->config.untracked &&
		wb_sender_accept(&p->sender, p->config.kafka.topic_results, p->results_partitions, wb_clock_wall_ms(),
			&why) != WB_OK)
		return complain(p, EXIT_KAFKA, why.text);
	p->accepted = !p->config.untracked;
	clear_progress(p);
	if (!p->config.untracked ? !(p->config.wait && p->config.json) : p->config.json)
		print_published(p);
	return p->config.wait ? wait_for_end(p) : EXIT_GOOD;
}

static int run(struct publish *p)
{
	enum wb_split_format format = WB_SPLIT_AUTO;
	enum wb_op op = WB_OP_UPSERT;
	struct wb_error why;
	int code;

	if (check_flags(p, &op, &format, &why) != 0 ||
		wb_partition_key_paths(p->config.intake.partition_key, &p->rules.paths, &why) != WB_OK)
		return complain(p, EXIT_USAGE, why.text);
	if (open_input(p, &why) != WB_OK)
		return complain(p, EXIT_REFUSED, why.text);
	p->show = !p->config.quiet && isatty(STDERR_FILENO);
	wb_job_id_new(p->job);
	p->rules.record_bytes_max = wb_record_bytes_max(&p->config.kafka);
	p->rules.generate_id = p->config.intake.generate_id || p->config.generate_ids;
	/* What became of earlier items is told by give_up, which knows more. */
	if (wb_request_stream_init(&p->stream, format, &p->rules, op, wb_slice_cstr(p->job), false) != WB_OK)
		code = complain(p, EXIT_REFUSED, "out of memory");
	else if (start_kafka(p, &why) != WB_OK)
		code = complain(p, EXIT_KAFKA, why.text);
	else
		code = publish(p);
	wb_follow_free(&p->follow);
	if (p->kafka)
		wb_kafka_producer_free(&p->kafka, 0);
	wb_request_stream_release(&p->stream);
	if (p->fd > STDIN_FILENO)
		(void)close(p->fd); /* was only read */
	return code;
}

/* A line that was lost is said again where somebody may still see it: the job is accepted. */
static int check_output(const struct publish *p, int code)
{
	bool lost = ferror(stdout) != 0;

	lost = fclose(stdout) != 0 || lost;
	if (!lost || code != EXIT_GOOD)
		return code;
	(void)complain(p, EXIT_REFUSED, "standard output could not be written");
	if (p->accepted)
		(void)fprintf(stderr, PROGRAM ": the job is accepted: %s\n", p->job);
	return EXIT_REFUSED;
}

int main(int argc, char **argv)
{
	struct publish p = { .fd = -1 };
	size_t files = 0;
	struct wb_error why;
	int code = EXIT_USAGE;

	switch (wb_options_parse(&wb_publish_options, argc, argv, environ, &p.config, &p.file, &files, &why)) {
	case WB_OPTIONS_DONE:
		code = EXIT_GOOD;
		break;
	case WB_OPTIONS_BAD:
		(void)complain(&p, EXIT_USAGE, why.text);
		break;
	case WB_OPTIONS_RUN:
		if (files != 1) {
			(void)complain(&p, EXIT_USAGE, "which FILE? - is standard input (--help tells more)");
			break;
		}
		p.log = wb_log_open(PROGRAM, &p.config.log);
		code = run(&p);
		wb_log_free(&p.log);
		break;
	}
	wb_json_paths_release(&p.rules.paths);
	wb_options_release(&wb_publish_options, &p.config);
	return check_output(&p, code);
}
