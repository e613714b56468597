#include "common/base/options.h"

#include "common/base/options_internal.h"
#include "common/base/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A program with every kind of row, in two groups, one of which has a struct of its own inside the program's. */
struct shared {
	char *endpoint, *key;
	struct wb_option_map kafka;
	char *group_id;
};
struct config {
	char *listen;
	int64_t body_bytes, wait_ms, workers;
	bool create;
	int format;
	struct shared shared;
	bool json;
	int64_t limit;
	const char *topic;
};

#define AT(member)     offsetof(struct config, member)
#define SHARED(member) offsetof(struct shared, member)

static const struct wb_option http_rows[] = {
	{ .key = "http.listen",
		.type = WB_OPT_STRING,
		.offset = AT(listen),
		.def = "127.0.0.1:8080",
		.help = "Where to listen" },
	{ .key = "http.max.body.bytes",
		.type = WB_OPT_BYTES,
		.offset = AT(body_bytes),
		.def = "16777216",
		.min = 1024,
		.max = 1 << 30,
		.help = "Largest body" },
	{ .key = "http.wait.ms",
		.type = WB_OPT_DURATION,
		.offset = AT(wait_ms),
		.def = "15000",
		.min = 1,
		.max = 86400000,
		.help = "How long to wait" },
	{ .key = "workers",
		.type = WB_OPT_INT,
		.offset = AT(workers),
		.def = "3",
		.min = 1,
		.max = 64,
		.help = "Threads | all" },
	{ .key = "topic.create",
		.type = WB_OPT_BOOL,
		.offset = AT(create),
		.def = "false",
		.help = "Whether to create topics" },
	{ .key = "log.format",
		.type = WB_OPT_ENUM,
		.offset = AT(format),
		.def = "logfmt",
		.choices = "logfmt|json",
		.help = "Form of the log" },
};
static const struct wb_option shared_rows[] = {
	{ .key = "cosmos.endpoint",
		.type = WB_OPT_STRING,
		.offset = SHARED(endpoint),
		.required = true,
		.help = "URL" },
	{ .key = "cosmos.key", .type = WB_OPT_STRING, .offset = SHARED(key), .secret = true, .help = "Account key" },
	{ .key = "kafka.", .type = WB_OPT_PREFIX, .offset = SHARED(kafka), .help = "Passed on" },
	{ .key = "kafka.group.id",
		.type = WB_OPT_STRING,
		.offset = SHARED(group_id),
		.def = "writebehind",
		.help = "Group" },
};
static const struct wb_option_group groups[] = {
	{ "HTTP", http_rows, WB_ARRAY_LEN(http_rows), 0 },
	{ "Shared", shared_rows, WB_ARRAY_LEN(shared_rows), AT(shared) },
};
static const struct wb_flag flags[] = {
	{ .name = "json", .letter = 'j', .type = WB_FLAG_BOOL, .offset = AT(json), .help = "Print JSON" },
	{ .name = "limit",
		.letter = 'n',
		.type = WB_FLAG_INT,
		.offset = AT(limit),
		.min = 1,
		.max = 100,
		.arg = "N",
		.help = "At most N" },
	{ .name = "topic", .type = WB_FLAG_STRING, .offset = AT(topic), .arg = "NAME", .help = "Topic" },
};
static const struct wb_option_table table = { "writebehind-test", "Tests.", "writebehind-test [options] FILE|-",
	"Exit codes\n  0  fine", groups, 2, flags, 3, 2 };

/* One run of the parser. */
struct run {
	struct config config;
	const char *positionals[2];
	size_t count;
	struct wb_error error;
	enum wb_options_result result;
	char path[64]; /* of the configuration file, if any */
};

/* argv and the environment are not const. */
#define T(text)   ((char *)(uintptr_t)(text))
#define ARGS(...) ((char *[]){ T("writebehind-test"), __VA_ARGS__, NULL })
#define NO_ARGS   ((char *[]){ T("writebehind-test"), NULL })
#define ENV(...)  ((char *[]){ T("COSMOS_ENDPOINT=https://x"), __VA_ARGS__, NULL })
#define PLAIN_ENV ((char *[]){ T("COSMOS_ENDPOINT=https://x"), NULL })
#define NO_ENV    ((char *[]){ NULL })

static int run(struct run *r, char **args, char **env)
{
	int argc = 0;

	while (args[argc])
		argc++;
	memset(&r->config, 0, sizeof r->config);
	r->error.text[0] = '\0';
	r->result = wb_options_parse(&table, argc, args, env, &r->config, r->positionals, &r->count, &r->error);
	return (int)r->result;
}

static void end(struct run *r)
{
	wb_options_release(&table, &r->config);
}

static void write_file(char path[64], const char *content)
{
	int fd;

	(void)snprintf(path, 64, "/tmp/wb-test-options-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	assert_int_equal(close(fd), 0);
}

static void assert_printed(const struct run *r, const char *expected)
{
	struct wb_buf text;

	wb_buf_init(&text, 10000);
	wb_options_print(&table, &r->config, &text);
	assert_string_equal(wb_buf_slice(&text).data, expected);
	wb_buf_release(&text);
}

static void defaults(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(run(&r, NO_ARGS, PLAIN_ENV), WB_OPTIONS_RUN);
	assert_string_equal(r.config.listen, "127.0.0.1:8080");
	assert_int_equal(r.config.body_bytes, 16 << 20);
	assert_int_equal(r.config.wait_ms, 15000);
	assert_int_equal(r.config.workers, 3);
	assert_false(r.config.create);
	assert_int_equal(r.config.format, 0);
	assert_null(r.config.shared.key);
	assert_int_equal(r.config.shared.kafka.count, 0);
	assert_int_equal(r.count, 0);
	end(&r);
}

static void later_sources_win(void **state)
{
	struct run r;
	char path[64];

	(void)state;
	write_file(path, "workers=5\nhttp.listen=file:1\nlog.format=json\nkafka.client.id=file\n");
	assert_int_equal(run(&r, ARGS(T("--set"), T("workers=7"), T("--config"), path),
				 ENV(T("WORKERS=6"), T("HTTP_LISTEN=env:1"), T("KAFKA_CLIENT_ID=env"))),
		WB_OPTIONS_RUN);
	assert_int_equal(r.config.workers, 7);
	assert_string_equal(r.config.listen, "env:1");
	assert_int_equal(r.config.format, 1);
	assert_int_equal(r.config.shared.kafka.count, 1);
	assert_string_equal(r.config.shared.kafka.pairs[0].key, "client.id");
	assert_string_equal(r.config.shared.kafka.pairs[0].value, "env");
	end(&r);
	assert_int_equal(unlink(path), 0);
}

static void both_forms_of_flags_and_what_stands_between(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(
		run(&r, ARGS(T("one"), T("--set=workers=2"), T("-jn5"), T("--topic"), T("a=b"), T("-")), PLAIN_ENV),
		WB_OPTIONS_RUN);
	assert_int_equal(r.config.workers, 2);
	assert_true(r.config.json);
	assert_int_equal(r.config.limit, 5);
	assert_string_equal(r.config.topic, "a=b");
	assert_int_equal(r.count, 2);
	assert_string_equal(r.positionals[0], "one");
	assert_string_equal(r.positionals[1], "-");
	end(&r);
	assert_int_equal(run(&r, ARGS(T("--limit=7"), T("--"), T("--json")), PLAIN_ENV), WB_OPTIONS_RUN);
	assert_int_equal(r.config.limit, 7);
	assert_false(r.config.json);
	assert_string_equal(r.positionals[0], "--json");
	end(&r);
}

static void assert_bad(char **args, char **env, const char *sentence)
{
	struct run r;

	assert_int_equal(run(&r, args, env), WB_OPTIONS_BAD);
	assert_string_equal(r.error.text, sentence);
	assert_null(r.config.listen); /* nothing is left to release */
}

static void bad_values_name_key_source_and_what_is_allowed(void **state)
{
	char path[64], sentence[200];

	(void)state;
	assert_bad(NO_ARGS, ENV(T("HTTP_MAX_BODY_BYTES=12x")),
		"http.max.body.bytes=12x (from environment HTTP_MAX_BODY_BYTES): not a size; allowed are 1KiB to 1GiB");
	assert_bad(ARGS(T("--set"), T("http.wait.ms=0")), PLAIN_ENV,
		"http.wait.ms=0 (from --set): out of range; allowed are 1ms to 1d");
	assert_bad(ARGS(T("--set"), T("workers=65")), PLAIN_ENV,
		"workers=65 (from --set): out of range; allowed are 1 to 64");
	assert_bad(ARGS(T("--set"), T("topic.create=yes")), PLAIN_ENV,
		"topic.create=yes (from --set): not a truth value; allowed are true and false");
	write_file(path, "\n\nlog.format=xml\n");
	(void)snprintf(sentence, sizeof sentence,
		"log.format=xml (from %s:3): unknown choice; allowed are logfmt and json", path);
	assert_bad(ARGS(T("--config"), path), PLAIN_ENV, sentence);
	assert_int_equal(unlink(path), 0);
}

static void unknown_keys_are_errors_but_not_in_the_environment(void **state)
{
	struct run r;
	char path[64], sentence[200];

	(void)state;
	assert_bad(ARGS(T("--set"), T("http.listn=x")), PLAIN_ENV,
		"unknown key http.listn (from --set); did you mean http.listen?");
	assert_bad(ARGS(T("--set"), T("kafak.client.id=x")), PLAIN_ENV,
		"unknown key kafak.client.id (from --set); did you mean kafka.client.id?");
	assert_bad(ARGS(T("--set"), T("something.else=x")), PLAIN_ENV,
		"unknown key something.else (from --set); --help lists all keys");
	write_file(path, "cosmos.ky=not-to-be-shown\n");
	(void)snprintf(sentence, sizeof sentence, "unknown key cosmos.ky (from %s:1); did you mean cosmos.key?", path);
	assert_bad(ARGS(T("--config"), path), PLAIN_ENV, sentence);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(run(&r, NO_ARGS, ENV(T("HTTP_LISTN=x"), T("PATH=/bin"))), WB_OPTIONS_RUN);
	end(&r);
}

static void what_is_required_is_named_all_at_once(void **state)
{
	static const struct wb_option rows[] = {
		{ .key = "a.b", .type = WB_OPT_STRING, .offset = AT(listen), .required = true, .help = "" },
		{ .key = "c",
			.type = WB_OPT_STRING,
			.offset = AT(topic),
			.required = true,
			.secret = true,
			.help = "" },
	};
	const struct wb_option_group group = { "All", rows, 2, 0 };
	const struct wb_option_table required = { "p", "s", "u", NULL, &group, 1, NULL, 0, 0 };
	struct config config = { 0 };
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_options_parse(&required, 1, NO_ARGS, NO_ENV, &config, NULL, NULL, &e), WB_OPTIONS_BAD);
	assert_string_equal(e.text, "required, but not set: a.b (A_B), c (C or C_FILE)");
	assert_bad(NO_ARGS, NO_ENV, "required, but not set: cosmos.endpoint (COSMOS_ENDPOINT)");
	assert_bad(ARGS(T("--set"), T("cosmos.endpoint=")), NO_ENV,
		"required, but not set: cosmos.endpoint (COSMOS_ENDPOINT)");
}

static void an_empty_variable_is_as_good_as_none(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(
		run(&r, NO_ARGS, ENV(T("WORKERS="), T("KAFKA_CLIENT_ID="), T("COSMOS_KEY_FILE="))), WB_OPTIONS_RUN);
	assert_int_equal(r.config.workers, 3);
	assert_int_equal(r.config.shared.kafka.count, 0);
	end(&r);
}

static void secrets_come_from_files(void **state)
{
	static const char *const contents[] = { "s3cret", "s3cret\n", "s3cret\r\n" };
	char path[64], variable[100];
	struct run r;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(contents); i++) {
		write_file(path, contents[i]);
		(void)snprintf(variable, sizeof variable, "COSMOS_KEY_FILE=%s", path);
		assert_int_equal(run(&r, NO_ARGS, ENV(variable)), WB_OPTIONS_RUN);
		assert_string_equal(r.config.shared.key, "s3cret");
		end(&r);
		(void)snprintf(variable, sizeof variable, "kafka.sasl.password.file=%s", path);
		assert_int_equal(run(&r, ARGS(T("--set"), variable), PLAIN_ENV), WB_OPTIONS_RUN);
		assert_string_equal(r.config.shared.kafka.pairs[0].key, "sasl.password");
		assert_string_equal(r.config.shared.kafka.pairs[0].value, "s3cret");
		assert_true(r.config.shared.kafka.pairs[0].secret);
		end(&r);
		assert_int_equal(unlink(path), 0);
	}
	write_file(path, "two\n\n");
	(void)snprintf(variable, sizeof variable, "COSMOS_KEY_FILE=%s", path);
	assert_int_equal(run(&r, NO_ARGS, ENV(variable)), WB_OPTIONS_RUN);
	assert_string_equal(r.config.shared.key, "two\n"); /* only one line feed is not the secret's */
	end(&r);
	assert_int_equal(unlink(path), 0);
}

static void secret_files_that_hold_none(void **state)
{
	char path[64], variable[100], sentence[200];

	(void)state;
	assert_bad(NO_ARGS, ENV(T("COSMOS_KEY_FILE=/nonexistent/key")),
		"cosmos.key.file (from environment COSMOS_KEY_FILE): cannot open /nonexistent/key: No such file or "
		"directory");
	write_file(path, "\n");
	(void)snprintf(variable, sizeof variable, "COSMOS_KEY_FILE=%s", path);
	(void)snprintf(
		sentence, sizeof sentence, "cosmos.key.file (from environment COSMOS_KEY_FILE): %s is empty", path);
	assert_bad(NO_ARGS, ENV(variable), sentence);
	assert_int_equal(unlink(path), 0);
	assert_bad(NO_ARGS, ENV(T("COSMOS_KEY=a"), T("COSMOS_KEY_FILE=/b")),
		"cosmos.key (from environment COSMOS_KEY) and cosmos.key.file (from environment COSMOS_KEY_FILE) "
		"exclude "
		"each other; give one of them");
}

static void secrets_are_refused_on_the_command_line(void **state)
{
	(void)state;
	assert_bad(ARGS(T("--set"), T("cosmos.key=visible")), PLAIN_ENV,
		"cosmos.key (from --set): refused, because every user of the machine can read a command line; use "
		"COSMOS_KEY, "
		"COSMOS_KEY_FILE, cosmos.key.file or the configuration file");
	assert_bad(ARGS(T("--set"), T("kafka.sasl.password=visible")), PLAIN_ENV,
		"kafka.sasl.password (from --set): refused, because every user of the machine can read a command line; "
		"use "
		"KAFKA_SASL_PASSWORD, KAFKA_SASL_PASSWORD_FILE, kafka.sasl.password.file or the configuration file");
}

/* Promise 11: what is printed or said never holds a secret. */
static void secrets_are_never_printed(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(
		run(&r, ARGS(T("--set"), T("http.max.body.bytes=2048")),
			ENV(T("COSMOS_KEY=hidden"), T("KAFKA_SSL_KEY_PASSWORD=hidden"), T("KAFKA_CLIENT_ID=shown"))),
		WB_OPTIONS_RUN);
	assert_printed(&r,
		"http.listen=127.0.0.1:8080\nhttp.max.body.bytes=2KiB\nhttp.wait.ms=15s\nworkers=3\n"
		"topic.create=false\nlog.format=logfmt\ncosmos.endpoint=https://x\ncosmos.key=***\n"
		"kafka.client.id=shown\nkafka.ssl.key.password=***\nkafka.group.id=writebehind\n");
	end(&r);
}

static void which_keys_are_secrets(void **state)
{
	static const char *const secrets[] = { "sasl.password", "ssl.key.password", "ssl.keystore.password",
		"ssl.key.pem", "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "sasl.jaas.config",
		"sasl.oauthbearer.assertion.private.key.passphrase", "sasl.oauthbearer.assertion.private.key.pem",
		"some.token" };
	static const char *const open_ones[] = { "bootstrap.servers", "sasl.username", "ssl.ca.location",
		"ssl.key.location", "ssl.certificate.pem", "sasl.oauthbearer.method", "", "pem" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(secrets); i++)
		assert_true(wb_options_secret_key(secrets[i], strlen(secrets[i])));
	for (size_t i = 0; i < WB_ARRAY_LEN(open_ones); i++)
		assert_false(wb_options_secret_key(open_ones[i], strlen(open_ones[i])));
}

static void a_key_with_a_row_of_its_own_is_not_passed_through(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(
		run(&r, ARGS(T("--set"), T("kafka.linger.ms=5")), ENV(T("KAFKA_GROUP_ID=mine"))), WB_OPTIONS_RUN);
	assert_string_equal(r.config.shared.group_id, "mine");
	assert_int_equal(r.config.shared.kafka.count, 1);
	assert_string_equal(r.config.shared.kafka.pairs[0].key, "linger.ms");
	end(&r);
}

static void variables_of_others_are_left_alone(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(run(&r, NO_ARGS,
				 ENV(T("KAFKA_HOME=/opt/kafka"), T("KAFKA_HEAP_OPTS=-Xmx1g"),
					 T("KAFKA_SERVICE_HOST=10.0.0.1"), T("KAFKA_SERVICE_PORT=9092"),
					 T("KAFKA_PORT_9092_TCP_ADDR=10.0.0.1"), T("KAFKA_PORT=tcp://10.0.0.1:9092"),
					 T("KAFKA_=x"), T("KAFKAESQUE=x"), T("KAFKA_DEBUG=broker"))),
		WB_OPTIONS_RUN);
	assert_int_equal(r.config.shared.kafka.count, 1);
	assert_string_equal(r.config.shared.kafka.pairs[0].key, "debug");
	end(&r);
}

static void bad_command_lines(void **state)
{
	(void)state;
	assert_bad(ARGS(T("--jsn")), PLAIN_ENV, "unknown option --jsn; did you mean --json?");
	assert_bad(ARGS(T("--cosmos.key=visible")), PLAIN_ENV,
		"unknown option --cosmos.key; --help lists all; keys are set with --set key=value");
	assert_bad(ARGS(T("-x")), PLAIN_ENV, "unknown option -x; --help lists all");
	assert_bad(ARGS(T("--limit")), PLAIN_ENV, "--limit needs a value");
	assert_bad(ARGS(T("--config")), PLAIN_ENV, "--config needs a value");
	assert_bad(ARGS(T("--json=1")), PLAIN_ENV, "--json takes no value");
	assert_bad(ARGS(T("-n"), T("101")), PLAIN_ENV, "-n 101: out of range; allowed are 1 to 100");
	assert_bad(ARGS(T("--set"), T("workers")), PLAIN_ENV, "--set: write key=value");
	assert_bad(ARGS(T("a"), T("b"), T("c")), PLAIN_ENV,
		"unexpected argument c; usage: writebehind-test [options] FILE|-");
	assert_bad(ARGS(T("--config"), T("/nonexistent")), PLAIN_ENV,
		"--config /nonexistent: cannot open /nonexistent: No such file or directory");
}

static void a_malformed_file_is_named_with_its_line(void **state)
{
	char path[64], sentence[200];

	(void)state;
	write_file(path, "a=\\uXYZW\n");
	(void)snprintf(sentence, sizeof sentence, "--config %s: line 1: \\u needs four hexadecimal digits", path);
	assert_bad(ARGS(T("--config"), path), PLAIN_ENV, sentence);
	assert_int_equal(unlink(path), 0);
}

/* What the program prints to standard output for those arguments. */
static char *printed_page(char **args)
{
	char path[] = "/tmp/wb-test-page-XXXXXX";
	int out = dup(STDOUT_FILENO), fd = mkstemp(path);
	struct run r;
	char *text = calloc(1, 20000);

	assert_true(out >= 0 && fd >= 0 && text);
	(void)fflush(stdout);
	assert_true(dup2(fd, STDOUT_FILENO) >= 0);
	run(&r, args, NO_ENV); /* what is required is not asked for here */
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	assert_int_equal(r.result, WB_OPTIONS_DONE);
	assert_true(pread(fd, text, 19999, 0) > 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(out), 0);
	assert_int_equal(unlink(path), 0);
	return text;
}

static void help_fits_100_columns_and_names_everything(void **state)
{
	char *text = printed_page(ARGS(T("--help")));

	(void)state;
	for (size_t g = 0; g < WB_ARRAY_LEN(groups); g++) {
		assert_non_null(strstr(text, groups[g].title));
		for (size_t i = 0; i < groups[g].count; i++) {
			assert_non_null(strstr(text, groups[g].options[i].key));
			assert_non_null(strstr(text, groups[g].options[i].help));
		}
	}
	assert_non_null(strstr(text, "Usage: writebehind-test [options] FILE|-\n"));
	assert_non_null(strstr(text, "-n, --limit N"));
	assert_non_null(strstr(text, "http.listen is HTTP_LISTEN"));
	assert_non_null(strstr(text, "(default 16MiB; 1KiB to 1GiB)"));
	assert_non_null(strstr(text, "(default logfmt; logfmt and json)"));
	assert_non_null(strstr(text, "Exit codes\n  0  fine\n"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
	free(text);
}

static void help_tells_of_the_secrets_below_a_prefix(void **state)
{
	static const struct wb_option rows[] = {
		{ .key = "kafka.bootstrap.servers", .type = WB_OPT_STRING, .offset = AT(listen), .help = "" },
		{ .key = "kafka.", .type = WB_OPT_PREFIX, .offset = AT(shared.kafka), .help = "" },
	};
	const struct wb_option_group group = { "Kafka", rows, 2, 0 };
	const struct wb_option_table t = { "p", "s", "u", NULL, &group, 1, NULL, 0, 0 };
	struct wb_buf text;

	(void)state;
	wb_buf_init(&text, 10000);
	wb_options_help(&t, &text);
	assert_non_null(strstr(text.data, "kafka.sasl.password.file"));
	assert_non_null(strstr(text.data, "KAFKA_SASL_PASSWORD_FILE"));
	wb_buf_release(&text);
}

static void version_and_markdown(void **state)
{
	char *text = printed_page(ARGS(T("--version")));

	(void)state;
	assert_string_equal(text, "writebehind-test " WB_VERSION "\n");
	free(text);
	text = printed_page(ARGS(T("--markdown")));
	assert_int_equal(strncmp(text, "## writebehind-test\n", 20), 0);
	assert_non_null(strstr(text, "\n### HTTP\n"));
	assert_non_null(strstr(text,
		"\n| `http.max.body.bytes` | `HTTP_MAX_BODY_BYTES` | size | `16MiB` | 1KiB to 1GiB | Largest body "
		"|\n"));
	assert_non_null(strstr(text, "\n| `cosmos.endpoint` | `COSMOS_ENDPOINT` | text | (required) |  | URL |\n"));
	assert_non_null(strstr(text, "\n| `cosmos.key` | `COSMOS_KEY` | text, secret |  |  | Account key |\n"));
	assert_non_null(strstr(text, "\n| `kafka.*` | `KAFKA_*` | keys |  |  | Passed on |\n"));
	assert_non_null(strstr(text, "Threads \\| all"));
	assert_non_null(strstr(text, "\n| `-n`, `--limit N` | At most N |\n"));
	free(text);
}

static void distances(void **state)
{
	char far[100];

	(void)state;
	assert_int_equal(wb_options_distance("", ""), 0);
	assert_int_equal(wb_options_distance("abc", ""), 3);
	assert_int_equal(wb_options_distance("", "abc"), 3);
	assert_int_equal(wb_options_distance("kitten", "sitting"), 3);
	assert_int_equal(wb_options_distance("kafak", "kafka"), 1);
	assert_int_equal(wb_options_distance("listen", "listen"), 0);
	memset(far, 'x', sizeof far - 1);
	far[sizeof far - 1] = '\0';
	assert_true(wb_options_distance(far, "x") == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(later_sources_win),
		cmocka_unit_test(both_forms_of_flags_and_what_stands_between),
		cmocka_unit_test(bad_values_name_key_source_and_what_is_allowed),
		cmocka_unit_test(unknown_keys_are_errors_but_not_in_the_environment),
		cmocka_unit_test(what_is_required_is_named_all_at_once),
		cmocka_unit_test(an_empty_variable_is_as_good_as_none),
		cmocka_unit_test(secrets_come_from_files),
		cmocka_unit_test(secret_files_that_hold_none),
		cmocka_unit_test(secrets_are_refused_on_the_command_line),
		cmocka_unit_test(secrets_are_never_printed),
		cmocka_unit_test(which_keys_are_secrets),
		cmocka_unit_test(a_key_with_a_row_of_its_own_is_not_passed_through),
		cmocka_unit_test(variables_of_others_are_left_alone),
		cmocka_unit_test(bad_command_lines),
		cmocka_unit_test(a_malformed_file_is_named_with_its_line),
		cmocka_unit_test(help_fits_100_columns_and_names_everything),
		cmocka_unit_test(help_tells_of_the_secrets_below_a_prefix),
		cmocka_unit_test(version_and_markdown),
		cmocka_unit_test(distances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
