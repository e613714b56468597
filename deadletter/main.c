/* writebehind-deadletter: what died, and why. */
#include "common/base/clock.h"
#include "deadletter/cmd_ls.h"
#include "deadletter/cmd_show.h"
#include "deadletter/cmd_test_alert.h"

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
	} else if (count > 0 && strcmp(words[0], "test-alert") == 0) {
		code = exit_code(wb_cmd_test_alert(c, count > 1 ? words[1] : NULL, stdout, &e), &e);
	} else {
		code = complain(EXIT_USAGE, "say ls, show PARTITION/OFFSET, or test-alert; --help tells more");
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
