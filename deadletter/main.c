/* writebehind-deadletter: what died, and why. */
#include "common/base/clock.h"
#include "deadletter/cmd_audit.h"
#include "deadletter/cmd_ls.h"
#include "deadletter/cmd_show.h"

#include <unistd.h>

/* Of an audit: FOUND where the ledger balances, NONE where it does not. */
enum { EXIT_FOUND, EXIT_NONE, EXIT_USAGE, EXIT_KAFKA };

extern char **environ;

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

static int audit(const struct wb_deadletter_config *c, struct wb_log *log)
{
	FILE *progress = isatty(STDERR_FILENO) ? stderr : NULL;
	struct wb_error e = { "" };
	bool balances = false;
	int code = exit_code(wb_cmd_audit(c, wb_clock_wall_ms(), log, stdout, progress, &balances, &e), &e);

	return code == EXIT_FOUND && !balances ? EXIT_NONE : code;
}

static int run(const struct wb_deadletter_config *c, const char *const *words, size_t count)
{
	struct wb_log *log = wb_log_open("writebehind-deadletter", &c->log);
	struct wb_error e = { "" };
	uint64_t found = 0;
	int code;

	if (count == 1 && strcmp(words[0], "ls") == 0) {
		code = exit_code(wb_cmd_ls(c, log, stdout, &found, &e), &e);
		if (code == EXIT_FOUND && found == 0)
			code = EXIT_NONE;
	} else if (count == 2 && strcmp(words[0], "show") == 0) {
		code = exit_code(wb_cmd_show(c, words[1], log, stdout, &e), &e);
	} else if (count == 1 && strcmp(words[0], "audit") == 0) {
		code = audit(c, log);
	} else {
		code = complain(EXIT_USAGE, "say ls, show PARTITION/OFFSET, or audit; --help tells more");
	}
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
