"""Clients that do not wait for one another: so many requests a second whatever the server does, each with its own
Idempotency-Key, repeated with it until it is accepted."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

GIVE_UP_S = 10  # beyond what an attempt may take
LOST_PAUSE_S = 1


@dataclass
class Attempt:
    started: float
    answered: float = 0.0
    status: int = 0  # 0: no answer

    @property
    def took(self):
        return self.answered - self.started


@dataclass
class Request:
    key: str
    attempts: list = field(default_factory=list)
    answer: bytes = b""  # of the attempt that was accepted


class OpenLoop:
    """Posts make_body(n) for n = 0, 1, … at `per_second`, from start() to stop(); join() then waits until every one is
    accepted, or for so many seconds. A refusal is repeated after its Retry-After, a lost answer after a second."""

    def __init__(self, url, make_body, per_second, answer_within_s):
        self._address = urlsplit(url)
        self._make_body, self._every_s = make_body, 1 / per_second
        self._answer_within_s = answer_within_s
        self._ending, self._given_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.requests = []

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._ending.set()

    def join(self, timeout_s):
        """Whether all were accepted in time."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._given_up.set()
            self._thread.join(self._answer_within_s + GIVE_UP_S + 5)
        return not self._given_up.is_set()

    def attempts(self):
        return [attempt for request in list(self.requests) for attempt in request.attempts]

    async def _run(self):
        due, running = time.monotonic(), set()
        while not self._ending.is_set():
            request = Request(f"bench-{len(self.requests)}")
            body = self._make_body(len(self.requests))
            self.requests.append(request)
            running.add(asyncio.create_task(self._through(request, body)))
            due += self._every_s
            await asyncio.sleep(max(0, due - time.monotonic()))
        await asyncio.gather(*running)

    async def _through(self, request, body):
        while not self._given_up.is_set():
            attempt = Attempt(time.monotonic())
            request.attempts.append(attempt)
            try:
                status, head, answer = await asyncio.wait_for(self._post(request.key, body),
                                                              self._answer_within_s + GIVE_UP_S)
            except (OSError, asyncio.TimeoutError, EOFError, ValueError):
                status, head, answer = 0, {}, b""
            attempt.answered, attempt.status = time.monotonic(), status
            if status in (200, 202):
                request.answer = answer
                return
            await asyncio.sleep(float(head.get("retry-after", LOST_PAUSE_S)))

    async def _post(self, key, body):
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        try:
            writer.write((f"POST /v1/jobs HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                          f"Idempotency-Key: \"{key}\"\r\nConnection: close\r\n\r\n").encode() + body)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = {name.strip().lower(): value.strip() for name, _, value in
                      (line.partition(":") for line in head[1:]) if name}
            answer = await reader.readexactly(int(fields.get("content-length", "0")))
            return int(head[0].split(" ")[1]), fields, answer
        finally:
            writer.close()
