"""Publishes jobs to writebehind-producer and tells when they have ended. Standard library only: copy this file."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import Future


class Refused(Exception):
    """The request is wrong, and was not published; `problem` is the service's RFC 9457 document."""

    def __init__(self, status, problem):
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.problem = problem


class JobFailed(Exception):
    """The job ended with dead letters; `job` is its last status."""

    def __init__(self, job):
        super().__init__(f"job {job['jobId']}: {job['dead']} of {job['accepted']} writes are dead: {job['failures'][:3]}")
        self.job = job


class Writebehind:
    def __init__(self, url="http://127.0.0.1:8080", token=None, patience_s=120):
        self.url, self.token, self.patience_s = url, token, patience_s

    def publish(self, documents, callback=None, **target):
        """Returns a Future as soon as the writes are durable. It is done when the job has ended: then callback(future)
        is called, in a thread of its own. target: database="…", container="…"."""
        body = json.dumps({**target, "documents": documents}).encode()
        # One key for all attempts: whatever became of an attempt, the job is published once.
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        accepted = self._call("POST", "/v1/jobs", body, headers)
        future = Future()
        future.job_id = accepted["jobId"]
        if callback:
            future.add_done_callback(callback)
        # Not a daemon: the interpreter waits for the callback. The writes themselves need nobody to wait.
        threading.Thread(target=self._follow, args=(future,)).start()
        return future

    def _follow(self, future):
        try:
            while True:
                job = self._call("GET", f"/v1/jobs/{future.job_id}?wait=30")
                if job["status"] in ("Succeeded", "Failed"):
                    break
                time.sleep(1)
        except Exception as e:
            future.set_exception(e)
        else:
            future.set_result(job) if job["status"] == "Succeeded" else future.set_exception(JobFailed(job))

    def _call(self, method, path, body=None, headers=None):
        """The answer's JSON. What may pass (429, 503, no answer) is tried again for patience_s."""
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(self.url + path, body, {**(headers or {}), **authorization}, method=method)
        give_up = time.monotonic() + self.patience_s
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as e:
                if e.code not in (429, 503) or time.monotonic() > give_up:
                    raise Refused(e.code, json.load(e)) from None
                pause = int(e.headers.get("Retry-After", "1"))
            except OSError:  # nobody listens, or the connection broke
                if time.monotonic() > give_up:
                    raise
                pause = 1
            time.sleep(pause)
