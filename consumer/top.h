/* writebehind-consumer --top URL…: what running consumers do, live in a terminal.
 *
 * Reads GET /v1/state of each once a second. Where standard output is no terminal, or with --json, it says it once.
 * Not thread-safe; it is a whole program.
 */
#ifndef WB_CONSUMER_TOP_H
#define WB_CONSUMER_TOP_H

#include <stdbool.h>

/* Whether the command line asks for it. */
bool wb_top_is_asked(int argc, char **argv);
/* Runs until Ctrl-C, or once. Returns the exit code: 0, 1 when a consumer cannot be reached, 2 for a wrong use. */
int wb_top_main(int argc, char **argv, char **env);

#endif
