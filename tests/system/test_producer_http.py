"""The HTTP interface of writebehind-producer on real Kafka, read back with confluent-kafka."""

import json
import re

import pytest
import requests

from harness.paths import ROOT
from harness.process import wait_until

NDJSON = {"Content-Type": "application/x-ndjson"}


def murmur2_partition(key, partitions):
    """Java's Utils.murmur2 and the default partitioner, written from their definition."""
    data = key.encode()
    m, r, mask = 0x5BD1E995, 24, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    full = len(data) // 4 * 4
    for i in range(0, full, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> r) * m & mask
        h = (h * m & mask) ^ k
    rest = data[full:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions


def writes(topics):
    """[(key, value, headers, partition)] of the writes topic, in the order of each partition."""
    return [(m.key().decode(), m.value(), dict(m.headers() or []), m.partition())
            for m in topics.broker.read_topic(topics.writes)]


def publish_outcomes(topics, job, **members):
    """What a consumer would say: publish_outcomes(topics, job, written=[0, 9])."""
    record = {"type": "outcomes", "consumer": "test", "at": 1760000000000, "jobs": [{"job": job, **members}]}
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": topics.broker.bootstrap, "acks": "all"})
    producer.produce(topics.results, json.dumps(record), partition=murmur2_partition(job, 4))
    assert producer.flush(20) == 0


def status(producer, job):
    return producer.get(f"/v1/jobs/{job}").json()


@pytest.fixture
def producer(topics, start):
    return start("producer", env=topics.env)


def test_documents_pass_byte_for_byte_with_their_headers(producer, topics):
    first = b'{"id":"\\u0061", "n":1.0,"big":12345678901234567890, "x":1,"x":2}'
    second = '{"pk":"p","id":"ü"}'.encode()
    body = b'{"container":"reports","documents":[ ' + first + b' ,' + second + b']}'
    answer = producer.post("/v1/jobs?database=main", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobId"]
    found = sorted(writes(topics), key=lambda w: w[2]["wb-seq"])
    assert [w[1] for w in found] == [first, second]
    assert [w[0] for w in found] == ["a", "ü"]
    for seq, (key, _, headers, partition) in enumerate(found):
        assert headers == {"wb-job": job.encode(), "wb-seq": b"%d" % seq, "wb-database": b"main",
                           "wb-container": b"reports"}
        assert partition == murmur2_partition(key, 8)


def test_a_202_is_a_long_running_operation(producer):
    answer = producer.post("/v1/jobs", json=[{"id": "1"}])
    assert answer.status_code == 202
    body = answer.json()
    assert re.fullmatch("[0-9a-f]{32}", body["jobId"])
    assert body == {"success": True, "jobId": body["jobId"], "accepted": 1, "status": "Running",
                    "statusUrl": f"{producer.url}/v1/jobs/{body['jobId']}"}
    assert answer.headers["Operation-Location"] == body["statusUrl"]
    assert answer.headers["Location"] == f"/v1/jobs/{body['jobId']}"
    assert answer.headers["Retry-After"] == "1"
    job = requests.get(answer.headers["Operation-Location"], timeout=10)
    assert job.status_code == 200
    assert job.json()["status"] == "NotStarted"


def test_every_shape_of_a_body(producer, topics):
    bodies = [
        (dict(json=[{"id": "array"}]), ["array"]),
        (dict(json={"documents": [{"id": "documents"}]}), ["documents"]),
        (dict(json={"operations": [{"document": {"id": "op"}}, {"op": "delete", "id": "del", "partitionKey": [1.0]}]}),
         ["op", "del"]),
        (dict(data=b'{"id":"line1"}\r\n\n{"id":"line2"}', headers=NDJSON), ["line1", "line2"]),
        (dict(data=b'{"id":"gone","partitionKey":"x"}\n', headers=NDJSON, params={"op": "delete"}), ["gone"]),
    ]
    expected = []
    for request, keys in bodies:
        answer = producer.post("/v1/jobs", **request)
        assert (answer.status_code, answer.json()["accepted"]) == (202, len(keys)), answer.text
        expected += keys
    found = {w[0]: w for w in writes(topics)}
    assert sorted(found) == sorted(expected)
    assert found["del"][1] == b"" and found["del"][2]["wb-op"] == b"delete"
    assert found["del"][2]["wb-id"] == b"del" and found["del"][2]["wb-partition-key"] == b"[1]"
    assert found["gone"][2]["wb-partition-key"] == b'["x"]'
    assert "wb-op" not in found["op"][2]


@pytest.mark.parametrize("request_, status_, code", [
    (dict(data=b"[]"), 415, "unsupported-media-type"),
    (dict(data=b"[]", headers={"Content-Type": "text/plain"}), 415, "unsupported-media-type"),
    (dict(data=b"[]", headers={"Content-Type": "application/json; charset=latin1"}), 415, "unsupported-media-type"),
    (dict(json=[]), 400, "empty-batch"),
    (dict(json={"documents": [{"id": "a"}], "callback": "https://example.org"}), 400, "callback-not-allowed"),
    (dict(json={"documents": [{"id": "a"}], "back": "x"}), 400, "unknown-member"),
    (dict(data=b"[", headers={"Content-Type": "application/json"}), 400, "invalid-document"),
    (dict(data=b"nonsense", headers={"Content-Type": "application/json"}), 400, "invalid-json"),
    (dict(json={"operations": [{"op": "patch", "id": "a"}]}), 400, "invalid-operation"),
    (dict(json={"operations": [{"op": "create", "document": {"id": "a"}, "ifMatch": "e"}]}), 400, "invalid-operation"),
    (dict(json={"operations": [{"document": {"id": "a"}, "etag": "e"}]}), 400, "unknown-member"),
    (dict(json={"operations": [{"op": "explode", "id": "a"}]}), 400, "unknown-operation"),
    (dict(json=[{"id": "a"}], params={"colour": "red"}), 400, "unknown-query-argument"),
    (dict(json=[{"id": "a"}], params={"op": "explode"}), 400, "unknown-operation"),
    (dict(json=[{"id": "a"}], params={"op": ["upsert", "upsert"]}), 400, "invalid-query-argument"),
    (dict(json=[{"id": "a"}], params={"container": "a/b"}), 400, "invalid-query-argument"),
    (dict(json=[{"id": "x" * 1024}]), 400, "invalid-document"),
    (dict(json=[{"id": "x", "y": "y" * 2_100_000}]), 413, "document-too-large"),
])
def test_errors_are_problem_details_with_a_stable_code(producer, request_, status_, code):
    answer = producer.post("/v1/jobs", **request_)
    assert (answer.status_code, answer.json()["code"]) == (status_, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["x-ms-error-code"] == code
    assert answer.json()["status"] == status_ and answer.json()["detail"]
    assert producer.get("/v1/jobs").json() == {"jobs": [], "nextCursor": None}


def test_limits_of_count_and_body(topics, start):
    producer = start("producer", env=topics.env, settings={"http.max.operations": 3, "http.max.body.bytes": "10KiB"})
    assert producer.post("/v1/jobs", json=[{"id": "a"}] * 3).status_code == 202
    many = producer.post("/v1/jobs", json=[{"id": "a"}] * 4)
    assert (many.status_code, many.json()["code"]) == (413, "too-many-operations")
    large = producer.post("/v1/jobs", json=[{"id": "a", "x": "x" * 11000}])
    assert (large.status_code, large.json()["code"]) == (413, "body-too-large")


def test_a_request_that_never_fits_the_memory_is_413_not_503(topics, start):
    producer = start("producer", env=topics.env, settings={"memory.budget.bytes": "8MiB", "http.max.body.bytes": "4MiB"})
    answer = producer.post("/v1/jobs", json=[{"id": f"{i}"} for i in range(60_000)])
    assert (answer.status_code, answer.json()["code"]) == (413, "too-many-operations"), answer.text
    assert "memory.budget.bytes" in answer.json()["detail"]
    assert producer.post("/v1/jobs", json=[{"id": f"{i}"} for i in range(20_000)]).status_code == 202


@pytest.mark.parametrize("container", ["%FF", "a%C3", "%ED%A0%80"])
def test_promise_2_a_target_that_no_consumer_would_take_is_refused(producer, topics, container):
    answer = producer.post(f"/v1/jobs?container={container}", json=[{"id": "a"}])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-query-argument")
    assert writes(topics) == []


def test_unknown_jobs_are_404(producer):
    for job in ("0" * 32, "F" * 32, "nonsense", "0" * 31):
        answer = producer.get(f"/v1/jobs/{job}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found")


def test_any_instance_answers_for_any_job_at_once(topics, start):
    one, two = start("producer", env=topics.env), start("producer", env=topics.env)
    for number in range(20):
        job = one.post("/v1/jobs", json=[{"id": f"{number}"}]).json()["jobId"]
        assert two.get(f"/v1/jobs/{job}").status_code == 200
    assert two.get("/v1/ledger").json() == one.get("/v1/ledger").json()


def test_a_new_instance_knows_the_old_jobs(producer, topics, start):
    jobs = [producer.post("/v1/jobs", json=[{"id": f"{i}"}]).json()["jobId"] for i in range(10)]
    producer.stop()
    later = start("producer", env=topics.env)
    listed = later.get("/v1/jobs?limit=7").json()["jobs"]
    assert {j["jobId"] for j in listed} <= set(jobs) and len(listed) == 7
    assert [j["createdAt"] for j in listed] == sorted((j["createdAt"] for j in listed), reverse=True)
    assert all(later.get(f"/v1/jobs/{j}").status_code == 200 for j in jobs)


def test_promise_10_the_first_outcome_of_a_write_counts(producer, topics):
    job = producer.post("/v1/jobs", json=[{"id": f"{i}"} for i in range(10)]).json()["jobId"]
    failure = {"seq": 4, "id": "4", "reason": "bad-request", "status": 400, "deadLetter": {"partition": 2, "offset": 7}}
    publish_outcomes(topics, job, written=[0, 3], charge=5.5)
    publish_outcomes(topics, job, dead=[2, 4], failures=[dict(failure, seq=2, id="2"), failure], charge=1)
    wait_until(lambda: status(producer, job)["dead"], 10, "the outcomes to be read")
    running = status(producer, job)
    assert (running["status"], running["written"], running["dead"], running["pending"]) == ("Running", 4, 1, 5)
    assert running["failures"] == [failure]
    publish_outcomes(topics, job, superseded=[5, 5], written=[6, 9])
    publish_outcomes(topics, job, dead=[0, 9], written=[0, 9])
    wait_until(lambda: status(producer, job)["status"] == "Failed", 10, "the job to end")
    ended = status(producer, job)
    assert (ended["written"], ended["superseded"], ended["dead"], ended["pending"]) == (8, 1, 1, 0)
    assert ended["completedAt"] and ended["requestCharge"] == 6.5
    assert producer.get("/v1/ledger").json() == {"accepted": 10, "unaccepted": 0, "written": 8, "superseded": 1,
                                                 "dead": 1, "pending": 0}
    assert [j["jobId"] for j in producer.get("/v1/jobs?status=Failed").json()["jobs"]] == [job]
    assert producer.get("/v1/jobs?status=Succeeded").json()["jobs"] == []


def test_outcomes_without_a_job_are_unaccepted_and_not_shown(producer, topics):
    job = "0123456789abcdef0123456789abcdef"
    publish_outcomes(topics, job, written=[0, 4])
    wait_until(lambda: producer.get("/v1/ledger").json()["unaccepted"] == 5, 10, "the outcomes to be read")
    assert producer.get("/v1/ledger").json()["written"] == 5
    assert producer.get(f"/v1/jobs/{job}").status_code == 404
    assert producer.get("/v1/jobs").json() == {"jobs": [], "nextCursor": None}


def test_a_configured_partition_key_is_checked(topics, start):
    producer = start("producer", env=topics.env, settings={"cosmos.partition.key": "/tenant"})
    answer = producer.post("/v1/jobs", json=[{"id": "a", "tenant": "x"}, {"id": "b", "tenant": {}}])
    assert (answer.status_code, answer.json()["index"], answer.json()["reason"]) == (400, 1, "invalid-partition-key")
    assert producer.post("/v1/jobs", json=[{"id": "a", "tenant": "x"}]).status_code == 202


def test_every_operation_and_condition_travels_in_its_record(producer, topics):
    patch = '[{"op":"incr","path":"/n","value":1.0}]'
    body = ('{"operations":[{"op":"create","document":{"id":"a"},"ifNoneMatch":"*"},'
            '{"op":"replace","document":{"id":"b","pk":1},"partitionKey":1.0,"ifMatch":"\\"e\\""},'
            '{"op":"patch","id":"c","partitionKey":["x"],"operations":' + patch + '},'
            '{"op":"delete","id":"d","partitionKey":[{}],"ifMatch":"*"}]}')
    assert producer.post("/v1/jobs", data=body, headers={"Content-Type": "application/json"}).status_code == 202
    found = {key: (value, {name: text for name, text in headers.items() if name not in ("wb-job", "wb-seq")})
             for key, value, headers, _ in writes(topics)}
    assert found == {
        "a": (b'{"id":"a"}', {"wb-op": b"create", "wb-if-none-match": b"*"}),
        "b": (b'{"id":"b","pk":1}', {"wb-op": b"replace", "wb-partition-key": b"[1]", "wb-if-match": b'"e"'}),
        "c": (patch.encode(), {"wb-op": b"patch", "wb-id": b"c", "wb-partition-key": b'["x"]'}),
        "d": (b"", {"wb-op": b"delete", "wb-id": b"d", "wb-partition-key": b"[{}]", "wb-if-match": b"*"}),
    }


def test_promise_2_a_partition_key_that_is_not_the_documents_is_refused(topics, start):
    producer = start("producer", env=topics.env, settings={"cosmos.partition.key": "/pk"})
    operation = {"document": {"id": "a", "pk": "x"}, "partitionKey": "y"}
    answer = producer.post("/v1/jobs", json={"operations": [{"document": {"id": "b", "pk": "x"}}, operation]})
    assert answer.status_code == 400
    assert (answer.json()["index"], answer.json()["reason"]) == (1, "partition-key-mismatch")
    assert writes(topics) == []


def test_documents_get_ids_of_their_job_and_place(topics, start):
    producer = start("producer", env=topics.env, settings={"documents.generate.id": "true"})
    answer = producer.post("/v1/jobs", data='[{"n":1.0},{"id":"own"},{ }]',
                           headers={"Content-Type": "application/json"})
    job = answer.json()["jobId"]
    assert {(w[0], w[1].decode()) for w in writes(topics)} == {
        (f"{job}-0", f'{{"id":"{job}-0","n":1.0}}'), ("own", '{"id":"own"}'), (f"{job}-2", f'{{"id":"{job}-2" }}')}


def test_the_openapi_document_is_served_as_it_lies_in_docs(producer):
    served = producer.get("/openapi.json")
    assert served.headers["Content-Type"] == "application/json"
    assert served.content == (ROOT / "docs" / "openapi.json").read_bytes()
    for path, methods in served.json()["paths"].items():
        for method in methods:
            answer = requests.request(method, producer.url + path.replace("{id}", "0" * 32), timeout=10)
            assert str(answer.status_code) in methods[method]["responses"], (method, path, answer.status_code)


def test_metrics_count_jobs_and_records(producer):
    producer.post("/v1/jobs", json=[{"id": "a"}, {"id": "b"}])
    producer.post("/v1/jobs", json=[{"id": "/"}])
    assert producer.metric("writebehind_jobs_accepted_total") == 1
    assert producer.metric("writebehind_records_published_total") == 2
    assert producer.metric("writebehind_publish_seconds_count") == 1
    assert producer.metric("writebehind_jobs_in_flight") == 0
    assert producer.metric("writebehind_jobs_in_flight_bytes") == 0


class TestSlowBodies:
    def open_bodies(self, producer, count, length):
        import socket
        sockets = []
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", producer.port))
            s.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n[" % length)
            sockets.append(s)
        return sockets

    def test_bodies_that_come_slowly_take_no_jobs_place(self, topics, start):
        producer = start("producer", env=topics.env, settings={"http.max.requests": 3})
        slow = self.open_bodies(producer, 20, 1000)
        assert producer.post("/v1/jobs", json=[{"id": "a"}]).status_code == 202
        for s in slow:
            s.close()

    def test_memory_that_slow_bodies_hold_comes_back(self, topics, start):
        producer = start("producer", env=topics.env)
        slow = self.open_bodies(producer, 2, 24 << 20)
        body = b"[" + b",".join(b'{"id":"%d","x":"%s"}' % (i, b"x" * 1000) for i in range(1000)) + b"]"

        def post():
            return producer.post("/v1/jobs", data=body, headers={"Content-Type": "application/json"}).status_code
        wait_until(lambda: post() == 503, 5, "the memory to be full")
        wait_until(lambda: post() == 202, 30, "the slow ones to go")
        for s in slow:
            s.close()

    def test_a_client_that_goes_in_mid_stream_is_noticed(self, topics, start):
        producer = start("producer", env=topics.env, settings={"http.validate.max.bytes": 64 * 1024})
        import socket
        s = socket.create_connection(("127.0.0.1", producer.port))
        s.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        line = b'{"id":"1","x":"%s"}\n' % (b"x" * 1000)
        for _ in range(2000):
            s.sendall(b"%x\r\n%s\r\n" % (len(line), line))
        s.close()
        wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 0, 30, "the cut-off stream to end")
        assert producer.get("/v1/jobs").json()["jobs"] == []
