/* An alert as an e-mail: RFC 5322 headers, a text and an HTML part (RFC 2046 multipart/alternative).
 *
 * - The same alert gives the same bytes, also after a restart: Message-ID, Date and boundary come from the alert. So a server
 *   or reader that gets it twice can tell.
 * - The alerts of one incident are one thread: the first one's Message-ID is the others' In-Reply-To.
 * - Nothing that a letter says reaches a header but as an encoded word, begins a line, or is markup; lines are short ASCII
 *   (quoted-printable), as every server takes them.
 * - Facts only; a document's content only where the caller gives it.
 * Pure, thread-safe.
 */
#ifndef WB_DEADLETTER_MAIL_H
#define WB_DEADLETTER_MAIL_H

#include "common/base/error.h"
#include "deadletter/alert.h"

#define WB_MAIL_BYTES_MAX      (4u << 20)
#define WB_MAIL_RECIPIENTS_MAX 20
#define WB_MAIL_ADDRESS_SIZE   321 /* RFC 5321 section 4.5.3.1: 64 + "@" + 255, and a zero */

struct wb_mail_addresses {
	char from[WB_MAIL_ADDRESS_SIZE];
	char to[WB_MAIL_RECIPIENTS_MAX][WB_MAIL_ADDRESS_SIZE];
	unsigned count;
};

/* The document of an example, for alert.include.documents. */
struct wb_mail_document {
	int32_t partition;
	int64_t offset;
	struct wb_slice bytes;
};

struct wb_mail {
	const struct wb_mail_addresses *addresses;
	const char *name; /* of the installation: stands in the subject and beside the sender; any UTF-8 */
	const struct wb_mail_document *documents;
	size_t document_count;
};

/* Reads an address such as ops@example.org (ASCII, no display name), and such addresses with commas between. WB_EINVAL with
 * a sentence: what, and what is allowed. */
enum wb_err wb_mail_addresses_parse(
	struct wb_slice from, struct wb_slice to, struct wb_mail_addresses *ret, struct wb_error *e) WB_MUST_USE;

/* Appends the message, lines ending in CR LF. ret's maximum should be WB_MAIL_BYTES_MAX. */
void wb_mail_compose(const struct wb_mail *mail, const struct wb_alert *alert, struct wb_buf *ret);

/* Appends text as quoted-printable (RFC 2045 section 6.7); \n is a line's end. */
void wb_mail_quoted_printable(struct wb_slice text, struct wb_buf *ret);
/* Appends "Name: value" and CR LF: folded, as encoded words (RFC 2047) where it is not plain ASCII. Control characters
 * and what is not UTF-8 are escaped (deadletter/text.h). */
void wb_mail_header(const char *name, struct wb_slice value, struct wb_buf *ret);

#endif
