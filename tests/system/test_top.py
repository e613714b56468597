"""writebehind-consumer --top: what running consumers do, for a person in front of a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness.paths import binary
from harness.ports import free_port
from harness.programs import environment, run
from harness.process import wait_until


def top(*args):
    return run("consumer", "--top", *args, check=False, timeout_s=30)


class Terminal:
    """A program in a terminal of so many columns and lines; `screen()` is the latest that it drew."""

    def __init__(self, argv, columns, lines):
        self.output = b""
        pid, self.fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(argv[0], argv, environment())
        self.pid = pid

    def read(self, timeout_s=0.2):
        while select.select([self.fd], [], [], timeout_s)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            self.output += data
            timeout_s = 0

    def screens(self):
        self.read()
        return self.output.split(b"\x1b[H")[1:]

    def screen(self):
        """The last whole screen as lines of text."""
        whole = [s for s in self.screens() if s.endswith(b"\x1b[J") or b"\x1b[J" in s]
        text = whole[-1].split(b"\x1b[J")[0].decode() if whole else ""
        return re.sub(r"\x1b\[K|\r", "", text).split("\n")

    def end(self):
        os.kill(self.pid, signal.SIGINT)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read()
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("it does not end")


@pytest.fixture
def troubled(topics, make_sandbox, start):
    """A consumer in an outage, that holds a write whose id could turn a terminal's text around."""
    sandbox = make_sandbox({"cosmos.ranges": 2})
    consumer = start("consumer", [topics.env, sandbox.target.env], {"shutdown.timeout.ms": "1s"})
    sandbox.post("/_sandbox/faults", json={"scope": "request", "status": 503}).raise_for_status()
    documents = [{"id": "evil\u202e\u200d", "pk": "p"}] + [{"id": f"{i}", "pk": f"p{i}"} for i in range(50)]
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in documents])
    wait_until(lambda: consumer.get("/v1/state").json()["faults"]["outages"], 30, "the outage")
    return consumer


def test_without_a_terminal_it_says_it_once(troubled):
    def look():
        done = top(troubled.url)
        assert done.returncode == 0, done.stderr
        return done.stdout if "evil" in done.stdout else None
    text = wait_until(look, 30, "the held write", every_s=0.3)
    assert re.fullmatch(r"[ -~\n]*", text), "something that is no printable ASCII reached the output"
    assert r"evil\u{202e}\u{200d}" in text
    titles = [line for line in text.splitlines() if re.match(r"FAULTS|HELD|RANGES|PARTITIONS", line)]
    assert titles == ["FAULTS", "HELD for long", "RANGES", "PARTITIONS"]
    assert "NOT READY" in text and "cosmos" in text and "OUTAGE" in text and "memory [" in text


def test_json_is_the_state_as_it_is(troubled):
    done = top(troubled.url, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["program"] == "writebehind-consumer"
    done = top(troubled.url, troubled.url, "--json")
    assert [json.loads(line)["group"]["member"] for line in done.stdout.splitlines()] == [True, True]


def test_in_a_terminal_it_goes_on_and_leaves_it_as_it_was(troubled):
    terminal = Terminal([binary("consumer"), "--top", troubled.url, troubled.url + "/"], columns=70, lines=22)
    wait_until(lambda: len(terminal.screens()) >= 4 and "cosmos" in "\n".join(terminal.screen()), 30, "some screens")
    lines = terminal.screen()
    assert len(lines) <= 22 and max(map(len, lines)) <= 70
    assert lines[0].startswith(f"#1 {troubled.url}  NOT READY") and any(line.startswith("#2 ") for line in lines)
    assert terminal.end() == 0
    assert terminal.output.startswith(b"\x1b[?1049h\x1b[?25l")
    assert terminal.output.endswith(b"\x1b[?25h\x1b[?1049l")
    drawn = re.sub(rb"\x1b\[(\?1049[hl]|\?25[hl]|H|K|J)", b"", terminal.output)
    assert re.fullmatch(rb"[ -~\r\n]*", drawn), "something else than its own sequences reached the terminal"


def test_who_goes_away_is_told_and_comes_back(topics, sandbox, start):
    consumer = start("consumer", [topics.env, sandbox.target.env])
    terminal = Terminal([binary("consumer"), "--top", consumer.url], columns=100, lines=30)
    wait_until(lambda: "  ready  " in "\n".join(terminal.screen()), 30, "the state")
    consumer.stop()
    wait_until(lambda: "UNREACHABLE" in "\n".join(terminal.screen()), 30, "it to be told")
    consumer.start()
    wait_until(lambda: "  ready  " in "\n".join(terminal.screen()), 30, "the state again")
    assert terminal.end() == 0


def test_who_cannot_be_reached_is_named_with_exit_code_1(sandbox, start):
    nobody = f"http://127.0.0.1:{free_port()}"
    done = top(nobody)
    assert done.returncode == 1 and nobody in done.stderr and "onnect" in done.stderr and done.stdout == ""
    producer = start("producer", sandbox.env)
    done = top(producer.url)
    assert done.returncode == 1 and "404" in done.stderr
    consumer = start("consumer", sandbox.env)
    done = top(consumer.url, nobody)
    assert done.returncode == 1 and nobody in done.stderr
    assert f"#1 {consumer.url}  ready" in done.stdout and "UNREACHABLE" in done.stdout
    done = top(consumer.url, nobody, "--json")
    assert done.returncode == 1 and done.stdout == ""


@pytest.mark.parametrize("args, told", [
    (["--top"], "--top needs a value"),
    (["--top", "localhost:8081"], "no URL"),
    (["--top", "ftp://localhost:8081"], "no URL"),
    (["--top", "http://localhost:8081", "--unknown"], "--unknown"),
    (["--top", "http://localhost:8081"] + ["http://localhost:8081"] * 16, "argument"),
    (["--json", "--set", "cosmos.database=d", "--set", "cosmos.container=c"], "--json goes with --top"),
])
def test_a_wrong_use_is_exit_code_2(args, told):
    done = subprocess.run([binary("consumer"), *args], env=environment(), capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and told in done.stderr, done.stderr


def test_help_tells_of_it():
    assert "--top URL" in run("consumer", "--help").stdout
    assert "writebehind-consumer --top URL" in run("consumer", "--top", "http://x", "--help").stdout
