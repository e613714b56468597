/* Where callbacks may go: URLs when a job is published, addresses when a connection is made.
 *
 * Hosts are on a list; a name that is on it may still resolve to an address of this machine or its network, so each
 * address is judged as well, after the resolution. Both are needed: a name's address changes.
 * Pure. Thread-safe: the rules are not changed after new.
 */
#ifndef WB_PRODUCER_CALLBACK_RULES_H
#define WB_PRODUCER_CALLBACK_RULES_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WB_CALLBACK_URL_MAX  2048
#define WB_CALLBACK_HOST_MAX 261 /* a name of at most 253 bytes, a colon, a port, and two brackets of an IPv6 address */

struct wb_callback_rules; /* opaque */

/* hosts: names with commas between them, each with a port where it is not 443: "example.com,*.example.org:8443,
 * [2001:db8::1]". "*." stands for one or more labels. NULL with a sentence that names the bad one. */
struct wb_callback_rules *wb_callback_rules_new(const char *hosts, bool allow_private, struct wb_error *e) WB_MUST_USE;
void wb_callback_rules_free(struct wb_callback_rules **rules);

/* WB_EINVAL with a sentence for what is no URL that is called (https, a host, at most WB_CALLBACK_URL_MAX bytes of
 * RFC 3986, no user, no fragment) or whose host is an address that is refused; WB_EUNSUPPORTED for a host that is not on
 * the list, and where rules is NULL: no callbacks at all. */
enum wb_err wb_callback_rules_check(
	const struct wb_callback_rules *rules, struct wb_slice url, struct wb_error *why) WB_MUST_USE;

/* Why no connection is made to an address ("private", …; a literal), or NULL when it may be. bytes: 4 of IPv4 or 16 of
 * IPv6, as they stand on the wire; any other len is refused. */
const char *wb_callback_rules_refuse(const struct wb_callback_rules *rules, const uint8_t *bytes, size_t len);

/* The host with its port where one is given, in lower case, for people and for telling hosts apart; "" where there is
 * none. url need not have been checked. */
void wb_callback_host(struct wb_slice url, char ret[WB_CALLBACK_HOST_MAX]);

#endif
