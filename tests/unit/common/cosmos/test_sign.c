#include "common/cosmos/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

/* The published example of "Access control on Azure Cosmos DB resources" in Microsoft's REST reference. */
static const struct wb_slice doc_key = WB_SLICE_LIT(
	"dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==");
static const struct wb_slice doc_date = WB_SLICE_LIT("Thu, 27 Apr 2017 00:51:12 GMT");
#define DOC_HEADER "type%3dmaster%26ver%3d1.0%26sig%3dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2bc%2bc%3d"

static void the_published_example_is_reproduced(void **state)
{
	struct wb_cosmos_key key;
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 256);
	assert_int_equal(wb_cosmos_key_parse(doc_key, &key), WB_OK);
	assert_int_equal(key.len, 64);
	wb_cosmos_sign(&key, LIT("GET"), LIT("dbs"), LIT("dbs/ToDoList"), doc_date, &out);
	assert_string_equal(out.data, DOC_HEADER);
	wb_buf_release(&out);
	wb_cosmos_key_wipe(&key);
	assert_int_equal(key.len, 0);
}

static void case_matters_in_the_link_only(void **state)
{
	struct wb_cosmos_key key;
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 256);
	assert_int_equal(wb_cosmos_key_parse(doc_key, &key), WB_OK);
	wb_cosmos_sign(&key, LIT("get"), LIT("DBS"), LIT("dbs/ToDoList"), LIT("THU, 27 APR 2017 00:51:12 gmt"), &out);
	assert_string_equal(out.data, DOC_HEADER);
	wb_buf_clear(&out);
	wb_cosmos_sign(&key, LIT("get"), LIT("dbs"), LIT("dbs/todolist"), doc_date, &out);
	assert_string_not_equal(out.data, DOC_HEADER);
	wb_buf_release(&out);
}

static void what_is_no_key_is_refused(void **state)
{
	char long_text[4 * WB_COSMOS_KEY_MAX];
	struct wb_cosmos_key key = { .len = 7 };

	(void)state;
	memset(long_text, 'A', sizeof long_text);
	assert_int_equal(wb_cosmos_key_parse(LIT(""), &key), WB_EINVAL);
	assert_int_equal(wb_cosmos_key_parse(LIT("not base64!"), &key), WB_EINVAL);
	assert_int_equal(wb_cosmos_key_parse(LIT("QUJD="), &key), WB_EINVAL);
	assert_int_equal(wb_cosmos_key_parse(wb_slice(long_text, sizeof long_text), &key), WB_EINVAL);
	assert_int_equal(key.len, 7);
}

static void a_link_beyond_all_limits_fails_the_buffer(void **state)
{
	static char link[9000];
	struct wb_cosmos_key key;
	struct wb_buf out;

	(void)state;
	memset(link, 'x', sizeof link);
	wb_buf_init(&out, 256);
	assert_int_equal(wb_cosmos_key_parse(doc_key, &key), WB_OK);
	wb_cosmos_sign(&key, LIT("get"), LIT("dbs"), wb_slice(link, sizeof link), doc_date, &out);
	assert_int_equal(wb_buf_status(&out), WB_ETOOBIG);
	wb_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_example_is_reproduced),
		cmocka_unit_test(case_matters_in_the_link_only),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(a_link_beyond_all_limits_fails_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
