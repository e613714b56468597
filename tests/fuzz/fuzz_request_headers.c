/* The headers that people write about a request: Idempotency-Key, Content-Digest and Prefer. Whatever the bytes, an answer
 * comes, and what is taken keeps its limits.
 */
#include "producer/content_digest.h"
#include "producer/job_key.h"
#include "producer/prefer.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "fuzz_request_headers: %s\n", what);
	abort();
}

static void check_key(struct wb_slice text)
{
	struct wb_idempotency_key key;
	struct wb_error why = { "" };

	if (wb_idempotency_key_parse(text, &key, &why) != WB_OK) {
		must(why.text[0] != '\0', "a key refused without a sentence");
		return;
	}
	must(key.len >= 1 && key.len <= WB_IDEMPOTENCY_KEY_LEN_MAX && key.text[key.len] == '\0', "a key's length");
	for (size_t i = 0; i < key.len; i++)
		must(key.text[i] >= ' ' && key.text[i] <= '~', "a character that no key may have");
}

static void check_digest(struct wb_slice text)
{
	uint8_t digest[WB_SHA256_SIZE];
	struct wb_error why = { "" };

	must(wb_content_digest_parse(text, digest, &why) == WB_OK || why.text[0] != '\0',
		"a digest refused without a sentence");
}

static void check_prefer(struct wb_slice text)
{
	struct wb_prefer prefer = { 0 };

	wb_prefer_add(&prefer, text);
	must(!prefer.wait || prefer.wait_met, "a wait that was not met");
	must(prefer.wait_s >= 0 && prefer.wait_s <= WB_PREFER_WAIT_MAX, "a wait beyond its limit");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wb_slice text = wb_slice((const char *)data, size);
	const struct wb_job_key_request request = { .principal = text, .key = text, .database = { NULL, 0 } };
	char job[WB_JOB_ID_SIZE];

	check_key(text);
	check_digest(text);
	check_prefer(text);
	wb_job_key_id(&request, job);
	must(wb_job_id_valid(wb_slice_cstr(job)), "no job id");
	return 0;
}
