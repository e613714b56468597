/* writebehind-deadletter: what died, and why. */
#include "common/base/clock.h"
#include "deadletter/cmd_audit.h"
#include "deadletter/cmd_export.h"
#include "deadletter/cmd_ls.h"
#include "deadletter/cmd_show.h"
#include "deadletter/cmd_stats.h"
#include "deadletter/cmd_test_alert.h"

#include <unistd.h>

/* Of an audit: FOUND where the ledger balances, NONE where it does not. */
enum { EXIT_FOUND, EXIT_NONE, EXIT_USAGE, EXIT_KAFKA };

extern char **environ;

/* What Ctrl-C sets: a signal's handler has no other way to be told. */
static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Ctrl-C ends watching in order; every other command ends at once, as nothing is lost. */
static enum wb_err watch(const struct wb_deadletter_config *c, struct wb_log *log, struct wb_error *e)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
		return wb_error_set(e, WB_EIO, "cannot listen to Ctrl-C");
	return wb_cmd_watch(c, log, stdout, &interrupted, e);
}

static int complain(int code, const char *text)
{
	(void)fprintf(stderr, "writebehind-deadletter: %s\n", text);
	return code;
}

static int exit_code(enum wb_err err, const struct wb_error *e)
{
	switch (err) {
	case WB_OK:
		return EXIT_FOUND;
	case WB_ENOTFOUND:
		return complain(EXIT_NONE, e->text);
	case WB_EINVAL:
		return complain(EXIT_USAGE, e->text);
	default:
		return complain(EXIT_KAFKA, e->text);
	}
}

/* found: whether it balances. */
static enum wb_err audit(
	const struct wb_deadletter_config *c, struct wb_log *log, uint64_t *ret_found, struct wb_error *e)
{
	FILE *progress = isatty(STDERR_FILENO) ? stderr : NULL;
	bool balances = false;
	enum wb_err err = wb_cmd_audit(c, wb_clock_wall_ms(), log, stdout, progress, &balances, e);

	*ret_found = balances;
	return err;
}

static int run(const struct wb_deadletter_config *c, const char *const *words, size_t count)
{
	struct wb_log *log = wb_log_open("writebehind-deadletter", &c->log);
	struct wb_error e = { "" };
	uint64_t found = 1;
	enum wb_err err = WB_OK;
	int code;

	if (count == 1 && strcmp(words[0], "ls") == 0)
		err = wb_cmd_ls(c, log, stdout, &found, &e);
	else if (count == 2 && strcmp(words[0], "show") == 0)
		err = wb_cmd_show(c, words[1], log, stdout, &e);
	else if (count == 1 && strcmp(words[0], "stats") == 0)
		err = wb_cmd_stats(c, wb_clock_wall_ms(), log, stdout, &found, &e);
	else if (count == 1 && strcmp(words[0], "export") == 0)
		err = wb_cmd_export(c, log, stdout, &found, &e);
	else if (count == 1 && strcmp(words[0], "watch") == 0)
		err = watch(c, log, &e);
	else if (count == 1 && strcmp(words[0], "audit") == 0)
		err = audit(c, log, &found, &e);
	else if (count > 0 && strcmp(words[0], "test-alert") == 0)
		err = wb_cmd_test_alert(c, count > 1 ? words[1] : NULL, stdout, &e);
	else
		err = wb_error_set(&e, WB_EINVAL,
			"say ls, show LETTER, stats, export, watch, audit or test-alert; --help tells more");
	code = exit_code(err, &e);
	if (code == EXIT_FOUND && found == 0)
		code = EXIT_NONE;
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_FOUND)
		code = complain(EXIT_KAFKA, "cannot write the output");
	wb_log_free(&log);
	return code;
}

int main(int argc, char **argv)
{
	struct wb_deadletter_config config = { 0 };
	const char *words[WB_DEADLETTER_POSITIONALS];
	struct wb_error e = { "" };
	size_t count = 0;
	int code = EXIT_FOUND;

	switch (wb_options_parse(&wb_deadletter_option_table, argc, argv, environ, &config, words, &count, &e)) {
	case WB_OPTIONS_DONE:
		break;
	case WB_OPTIONS_BAD:
		code = complain(EXIT_USAGE, e.text);
		break;
	case WB_OPTIONS_RUN:
		if (wb_deadletter_config_finish(&config, wb_clock_wall_ms(), &e) != WB_OK)
			code = complain(EXIT_USAGE, e.text);
		else
			code = run(&config, words, count);
		break;
	}
	wb_options_release(&wb_deadletter_option_table, &config);
	return code;
}
