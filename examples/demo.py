"""The whole story on one machine: sandbox, producer, consumer, an Azure Function, dead letters, a crash, the ledger.

Run it with `make demo`; `make demo KEEP=1` leaves everything running and prints the addresses.
Exits 0 only if the ledger balances and the database holds exactly what was written, with its last content.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

BIN = os.path.join(os.environ.get("BUILD", "build"), "bin")
KEEP = os.environ.get("KEEP", "") not in ("", "0")
TERMINAL = sys.stdout.isatty()
ISO_CODES = "/usr/share/iso-codes/json"
REGISTRIES = {"639-3": "alpha_3", "639-5": "alpha_3", "3166-1": "alpha_2", "3166-2": "code", "3166-3": "alpha_4",
              "4217": "alpha_3", "15924": "alpha_4"}
RAW_LINES = [
    b'{"id":"raw-1","pk":"raw","note":"a good line"}',
    b'this is not JSON',
    b'{"pk":"raw","note":"no id"}',
    b'{"id":"raw/2","pk":"raw","note":"an id with a slash"}',
    b'{"id":"raw-3","pk":{"not":"a scalar"},"note":"a partition key that is an object"}',
    b'{"id":"raw-4","pk":"raw","note":"another good line"}',
]
GOOD_RAW = {"raw-1", "raw-4"}


def fail(message):
    raise SystemExit(f"demo: {message}")


def heading(text):
    print(f"\n\033[1m{text}\033[0m" if TERMINAL else f"\n{text}", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def call(verb, url, body=None, content_type="application/json", timeout=60):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    path = parts.path + ("?" + parts.query if parts.query else "")
    try:
        connection.request(verb, path, body, {"content-type": content_type} if body is not None else {})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def call_json(verb, url, body=None, expect=200, **options):
    status, text = call(verb, url, json.dumps(body).encode() if body is not None else None, **options)
    if status != expect:
        fail(f"{verb} {url}: status {status}: {text[:500]!r}")
    return json.loads(text)


class Stage:
    """The processes of the demo, each with its log file in one temporary directory."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="writebehind-demo-")
        self.processes = {}

    def start(self, name, program, environment=None, arguments=(), stdout=subprocess.DEVNULL):
        log = open(os.path.join(self.dir, f"{name}.log"), "ab")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "COSMOS_", "TOPIC_"))}
        process = subprocess.Popen([os.path.join(BIN, program), *arguments], env={**env, **(environment or {})},
                                   stdin=subprocess.DEVNULL, stdout=stdout, stderr=log)
        log.close()
        self.processes[name] = process
        return process

    def tail(self, name):
        with open(os.path.join(self.dir, f"{name}.log"), errors="replace") as log:
            return "".join(log.readlines()[-15:])

    def wait_ready(self, name, url, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.processes[name].poll() is not None:
                fail(f"{name} ended with {self.processes[name].returncode}:\n{self.tail(name)}")
            try:
                if call("GET", url, timeout=2)[0] < 500:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        fail(f"{name} is not ready after {seconds} s:\n{self.tail(name)}")

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Demo:
    def __init__(self, stage):
        self.stage = stage

    def start_sandbox(self):
        # Request units are limited as in life, so that the write behind takes seconds and throttling is seen.
        process = self.stage.start("sandbox", "writebehind-sandbox", stdout=subprocess.PIPE, arguments=[
            "--set", "cosmos.ranges=8", "--set", "cosmos.range.ru=2500"])
        line = process.stdout.readline()
        if not line:
            fail(f"the sandbox did not start:\n{self.stage.tail('sandbox')}")
        self.sandbox = json.loads(line)
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.sandbox["kafka"],
            # The mock cluster notices a dead member only when its session ends.
            "KAFKA_SESSION_TIMEOUT_MS": "4000",
            "COSMOS_ENDPOINT": self.sandbox["cosmos"],
            "COSMOS_KEY": self.sandbox["key"],
            "COSMOS_DATABASE": self.sandbox["database"],
            "COSMOS_CONTAINER": self.sandbox["container"],
        }

    def start_producer(self):
        port = free_port()
        self.producer = f"http://127.0.0.1:{port}"
        self.stage.start("producer", "writebehind-producer", {**self.environment, "HTTP_LISTEN": f"127.0.0.1:{port}"})
        self.stage.wait_ready("producer", self.producer + "/readyz")

    def start_consumer(self):
        port = free_port()
        self.consumer = f"http://127.0.0.1:{port}"
        self.stage.start("consumer", "writebehind-consumer", {**self.environment, "ADMIN_LISTEN": f"127.0.0.1:{port}"})

    def start_function(self):
        port = free_port()
        self.input_dir = os.path.join(self.stage.dir, "registries")
        os.mkdir(self.input_dir)
        for registry in REGISTRIES:
            shutil.copy(f"{ISO_CODES}/iso_{registry}.json", self.input_dir)
        self.function = f"http://127.0.0.1:{port}"
        self.stage.start("function", "report-handler", {
            **self.environment, "FUNCTIONS_CUSTOMHANDLER_PORT": str(port), "WRITEBEHIND_URL": self.producer,
            "REPORT_INPUT_DIR": self.input_dir})
        self.stage.wait_ready("function", self.function + "/")

    def execute_report(self):
        """Calls the function as the Functions host does; returns the job id and the answer's milliseconds."""
        payload = {"Data": {"req": {"Url": "http://localhost/api/executeReport", "Method": "POST", "Query": {},
                                    "Headers": {"Content-Type": ["application/json"]}, "Params": {}, "Body": "{}"}},
                   "Metadata": {"sys": {"MethodName": "executeReport"}}}
        started = time.monotonic()
        answer = call_json("POST", self.function + "/executeReport", payload)
        took = (time.monotonic() - started) * 1000
        body = json.loads(answer["Outputs"]["res"]["body"])
        if not body.get("success"):
            fail(f"executeReport: {body}")
        print(f"  executeReport answered in {took:.0f} ms: {json.dumps(body)}\n  {answer['Logs'][0].split(';')[0]}", flush=True)
        return body["jobId"]

    def job(self, job_id):
        return call_json("GET", f"{self.producer}/v1/jobs/{job_id}")

    def follow(self, job_id, until=None, seconds=45):
        """Shows progress until the job ends, or until it satisfies a condition."""
        started = time.monotonic()
        shown = -1
        while time.monotonic() - started < seconds:
            job = self.job(job_id)
            done = job["written"] + job["superseded"] + job["dead"]
            percent = 100 * done // max(1, job["accepted"])
            if TERMINAL:
                bar = "#" * (percent * 40 // 100)
                print(f"\r  [{bar:<40}] {done:>6} of {job['accepted']}", end="", flush=True)
            elif percent // 25 > shown:
                shown = percent // 25
                print(f"  {done:>6} of {job['accepted']} done", flush=True)
            if (until and until(job)) or job["status"] in ("Succeeded", "Failed"):
                if TERMINAL:
                    print()
                return job, (time.monotonic() - started) * 1000
            time.sleep(0.05)
        fail(f"job {job_id} has not ended after {seconds} s: {job}\n{self.stage.tail('consumer')}")

    def run_report(self):
        job, took = self.follow(self.execute_report())
        print(f"  the write behind it took {took:.0f} ms more: {job['written']} written, {job['status']}")

    def alter_input(self, count):
        """A few entries get another name, as registries do over the years."""
        path = f"{self.input_dir}/iso_4217.json"
        with open(path) as f:
            registry = json.load(f)
        for entry in registry["4217"][:count]:
            entry["name"] += " (revised)"
        with open(path, "w") as f:
            json.dump(registry, f)

    def publish_raw(self):
        path = os.path.join(self.stage.dir, "raw.ndjson")
        with open(path, "wb") as f:
            f.write(b"\n".join(RAW_LINES) + b"\n")
        out = subprocess.run([os.path.join(BIN, "writebehind-publish"), "--unchecked", path], capture_output=True,
                             env={**os.environ, **self.environment}, timeout=60)
        if out.returncode != 0:
            fail(f"writebehind-publish ended with {out.returncode}: {out.stderr.decode()}")
        match = re.search(rb"[0-9a-f]{32}", out.stdout)
        if not match:
            fail(f"writebehind-publish printed no job id: {out.stdout!r}")
        job_id = match.group().decode()
        job, _ = self.follow(job_id)
        print(f"  job {job_id}: {job['written']} written, {job['dead']} dead, {job['status']}")
        if job["dead"] != len(RAW_LINES) - len(GOOD_RAW):
            fail(f"expected {len(RAW_LINES) - len(GOOD_RAW)} dead letters: {job}")

    def show_dead_letters(self):
        out = subprocess.run([os.path.join(BIN, "writebehind-deadletter"), "--no-index", "ls"], capture_output=True,
                             env={**os.environ, **self.environment}, timeout=60)
        print(out.stdout.decode(), end="", flush=True)
        if out.returncode != 0:
            fail(f"writebehind-deadletter ended with {out.returncode}: {out.stderr.decode()}")

    def crash_and_recover(self):
        job_id = self.execute_report()
        job, _ = self.follow(job_id, until=lambda j: j["written"] > j["accepted"] * 0.3)
        consumer = self.stage.processes["consumer"]
        consumer.send_signal(signal.SIGKILL)
        consumer.wait()
        if job["status"] != "Running":
            fail(f"the consumer was to be killed in the middle, but the job is {job['status']}")
        print(f"  SIGKILL of the consumer with {job['written']} of {job['accepted']} written; a new one takes over")
        self.start_consumer()
        job, took = self.follow(job_id)
        print(f"  the write behind it went on and ended {took:.0f} ms later: {job['written']} written, {job['status']}")

    def check_database(self):
        """What the database must hold is computed here from the input, not taken from the programs."""
        expected = {"summary": None, **{i: None for i in GOOD_RAW}}
        for registry, member in REGISTRIES.items():
            with open(f"{self.input_dir}/iso_{registry}.json") as f:
                for entry in json.load(f)[registry]:
                    expected[f"iso-{registry}:{entry[member]}"] = entry
        query = urllib.parse.urlencode({"database": self.sandbox["database"], "container": self.sandbox["container"]})
        status, text = call("GET", f"{self.sandbox['cosmos']}/_sandbox/documents?{query}")
        if status != 200:
            fail(f"cannot read the emulator's documents: {status} {text[:300]!r}")
        found = {}
        for line in text.splitlines():
            document = json.loads(line)
            document = document.get("document", document)
            found[document["id"]] = document
        wrong = [i for i in expected.keys() ^ found.keys()]
        for i, entry in expected.items():
            if entry is not None and i in found and (found[i]["entry"] != entry or found[i]["run"] != 3):
                wrong.append(i)
        if found.get("summary", {}).get("run") != 3:
            wrong.append("summary")
        if wrong:
            fail(f"the database does not hold what was written: {len(wrong)} ids differ, for example {wrong[:5]}")
        print(f"  the database holds exactly the {len(expected)} distinct ids that were written, with their last content")

    def audit(self):
        """The books as the topics have them; returns the ledger's line, and whether it balances."""
        out = subprocess.run([os.path.join(BIN, "writebehind-deadletter"), "audit"], capture_output=True, text=True,
                             env={**os.environ, **self.environment}, timeout=60)
        if out.returncode not in (0, 1):
            fail(f"writebehind-deadletter audit ended with {out.returncode}: {out.stderr}")
        *table, ledger = out.stdout.splitlines()
        print("\n".join(table), flush=True)
        return ledger, out.returncode == 0


def main():
    if not os.path.isdir(ISO_CODES):
        fail("the package iso-codes is not installed: run sh setup.sh")
    began = time.monotonic()
    stage = Stage()
    demo = Demo(stage)
    finished = False
    try:
        heading("1. sandbox (Kafka and Cosmos DB in one process), producer, consumer, Azure Function")
        demo.start_sandbox()
        demo.start_producer()
        demo.start_consumer()
        demo.start_function()
        demo.stage.wait_ready("consumer", demo.consumer + "/readyz")
        print(f"  Kafka {demo.sandbox['kafka']}   Cosmos DB {demo.sandbox['cosmos']}   producer {demo.producer}\n"
              f"  consumer {demo.consumer}   function {demo.function}")
        heading("2. the first report")
        demo.run_report()
        heading("3. the second report, after a few entries changed")
        demo.alter_input(7)
        demo.run_report()
        heading("4. six raw lines, four of which no database could take")
        demo.publish_raw()
        demo.show_dead_letters()
        heading("5. the third report, with the consumer killed in the middle")
        demo.crash_and_recover()
        heading("6. the books")
        demo.check_database()
        ledger, balances = demo.audit()
        print(f"  the demo took {time.monotonic() - began:.1f} s")
        if KEEP:
            print(f"\nLeft running; logs are in {stage.dir}. To end it: kill "
                  + " ".join(str(p.pid) for p in stage.processes.values() if p.poll() is None))
            print(f"  export KAFKA_BOOTSTRAP_SERVERS={demo.sandbox['kafka']} COSMOS_ENDPOINT={demo.sandbox['cosmos']} "
                  f"COSMOS_DATABASE={demo.sandbox['database']} COSMOS_CONTAINER={demo.sandbox['container']}")
            print(f"  jobs: {demo.producer}/v1/jobs   metrics: {demo.consumer}/metrics")
        finished = True
        print(ledger, flush=True)
        return 0 if balances else 1
    finally:
        if not (KEEP and finished):
            stage.stop()


if __name__ == "__main__":
    sys.exit(main())
