"""Promise 12: a consumer whose group ends while its last revocation is on its way ends in order.

librdkafka then knows no rebalance protocol any more and answers NULL; the moment is too short to be met on purpose, so
the answer comes from a library loaded before it.
"""

import os
import subprocess

from harness.group import assigned
from harness.process import wait_until

FORGETFUL = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static _Atomic int closing;

void *rd_kafka_consumer_close_queue(void *rk, void *queue)
{
	void *(*real)(void *, void *) = (void *(*)(void *, void *))dlsym(RTLD_NEXT, "rd_kafka_consumer_close_queue");

	closing = 1;
	return real(rk, queue);
}

const char *rd_kafka_rebalance_protocol(void *rk)
{
	const char *(*real)(void *) = (const char *(*)(void *))dlsym(RTLD_NEXT, "rd_kafka_rebalance_protocol");

	return closing ? NULL : real(rk);
}
"""


def test_promise_12_the_end_of_the_group_before_its_last_revocation(topics, make_sandbox, start, tmp_path):
    source, library = tmp_path / "forgetful.c", tmp_path / "forgetful.so"
    source.write_text(FORGETFUL)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    consumer = start("consumer", topics.env | make_sandbox().target.env | {
        "LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0"})
    wait_until(lambda: assigned(consumer) == 8, 30, "it to have all")
    assert consumer.stop(30) == 0, consumer.log_tail()
    assert 'msg="partitions given back"' in consumer.log(), consumer.log_tail()
