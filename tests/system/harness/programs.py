"""Writebehind's own programs as the tests run them."""

import json
import atexit
import functools
import os
import shutil
import re
import subprocess
import tempfile

import requests

from harness.cosmos import Account, Target
from harness.paths import binary
from harness.ports import free_port
from harness.process import Process, ProcessFailed, wait_until

# What a program may inherit. All else is given by the test, so that the caller's settings decide nothing.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD",
             "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
# What no log of ours may hold, whatever the test was about.
ALARMS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", ": runtime error: ",
          "Assertion `")
# Where a service answers for itself: the key that sets it.
LISTEN = {"producer": "HTTP_LISTEN", "consumer": "ADMIN_LISTEN"}


@functools.cache
def cache_folder():
    """Where programs keep what they may lose: one for this run, not the user's."""
    folder = tempfile.mkdtemp(prefix="writebehind-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def environment(extra=None):
    env = {k: v for k, v in os.environ.items() if k in INHERITED} | {"XDG_CACHE_HOME": cache_folder()}
    return env | {k: str(v) for k, v in (extra or {}).items()}


def arguments(settings, args):
    out = []
    for key, value in (settings or {}).items():
        out += ["--set", f"{key}={value}"]
    return out + [str(a) for a in args]


def run(name, *args, env=None, settings=None, input=None, timeout_s=120, check=True):
    """Runs a CLI to its end: run("deadletter", "ls", "--json", env=...) → CompletedProcess with text output.
    With check, an exit code other than 0 fails and shows the output."""
    argv = [binary(name), *arguments(settings, args)]
    text = not isinstance(input, bytes)
    done = subprocess.run(argv, env=environment(env), input=input, capture_output=True, text=text, timeout=timeout_s)
    if check and done.returncode:
        raise ProcessFailed(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def audit(env, *words):
    """What `writebehind-deadletter audit` finds: (exit code, its object). 0: the ledger balances; 1: it does not."""
    done = run("deadletter", "audit", "--json", *words, env=env, check=False)
    if done.returncode not in (0, 1):
        raise ProcessFailed(f"the audit ended with {done.returncode}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def ledger(env):
    """The totals of the audit, {"accepted": …, "written": …}; fails unless everything balances."""
    code, found = audit(env)
    assert code == 0, found
    return found


class Program(Process):
    """A service (`producer`, `consumer`) with its own port for probes and metrics; several may run side by side.

    env: its configuration by environment; settings: by --set key=value. `url` is where it answers."""

    def __init__(self, name, directory, env=None, settings=None, args=(), tag=""):
        self.name = name + tag
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._killed = False
        config = dict(env or {})
        if name in LISTEN:
            config.setdefault(LISTEN[name], f"127.0.0.1:{self.port}")
        super().__init__([binary(name), *arguments(settings, args)], directory / f"{self.name}.log",
                         environment(config), cwd=directory)

    def start(self, wait=True, timeout_s=30):
        """Starts it; with wait, returns when /readyz says 200."""
        self._killed = False
        super().start()
        if wait:
            self.wait_ready(timeout_s)
        return self

    def restart(self, wait=True, timeout_s=30):
        """A new life with the same configuration and port, after a kill() or stop() or by SIGTERM now."""
        self.stop()
        return self.start(wait, timeout_s)

    def kill(self):
        self._killed = True
        super().kill()

    def ready(self):
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def wait_ready(self, timeout_s=30):
        def look():
            if not self.running():
                raise self.failed(f"ended with {self.returncode} before it was ready")
            return self.ready()
        try:
            wait_until(look, timeout_s, f"{self.name} to be ready")
        except TimeoutError:
            raise self.failed(f"not ready after {timeout_s} s") from None

    def get(self, path, **kwargs):
        return requests.get(self.url + path, timeout=kwargs.pop("timeout", 10), **kwargs)

    def post(self, path, **kwargs):
        return requests.post(self.url + path, timeout=kwargs.pop("timeout", 30), **kwargs)

    def metric(self, name, **labels):
        """The sum over all series of a metric that carry these labels; 0 if there is none."""
        return sum(value for metric, series, value in self.metrics()
                   if metric == name and labels.items() <= series.items())

    def metrics(self):
        """[(name, {label: value}, number)] of /metrics."""
        found = []
        for line in self.get("/metrics").text.splitlines():
            match = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
            if match:
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
                found.append((match[1], labels, float(match[3])))
        return found

    def complaints(self):
        """What speaks against its whole run, as texts: an end that nobody asked for, a sanitizer's report."""
        found = [f"{self.name}: {alarm!r} in {self.log_path}:\n{self.log_tail(60)}"
                 for alarm in ALARMS if alarm in self.log()]
        if self.returncode is not None and self.returncode < 0 and not self._killed:
            found.append(f"{self.name} died of signal {-self.returncode}:\n{self.log_tail()}")
        return found


class Sandbox:
    """writebehind-sandbox, running: .kafka is its bootstrap address, .target a container on its Cosmos, .env what the
    programs need to use both. Arguments and settings are the sandbox's own."""

    def __init__(self, directory, settings=None, args=(), env=None):
        self._stdout = directory / "sandbox.out"
        # Its standard output has the one line with the addresses and nothing else; logs go to standard error.
        script = ["sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "sandbox", self._stdout,
                  binary("sandbox"), *arguments(settings, args)]
        self.process = Process(script, directory / "sandbox.log", environment(env), cwd=directory)
        self.info = {}
        self.target = None

    def start(self, timeout_s=20):
        self.process.start()

        def look():
            if not self.process.running():
                raise self.process.failed(f"the sandbox ended with {self.process.returncode}")
            text = self._stdout.read_text() if self._stdout.exists() else ""
            return text.split("\n", 1)[0] if "\n" in text else None
        self.info = json.loads(wait_until(look, timeout_s, "the sandbox's line of addresses"))
        account = Account(self.info["cosmos"], self.info["key"])
        self.target = Target(account, self.info["database"], self.info["container"],
                             self.info.get("partitionKey", "/pk"))
        return self

    @property
    def kafka(self):
        return self.info["kafka"]

    @property
    def env(self):
        return self.target.env | {"KAFKA_BOOTSTRAP_SERVERS": self.kafka}

    def get(self, path, **kwargs):
        """A request to its Cosmos port without a signature: the admin routes."""
        return requests.get(self.info["cosmos"] + path, timeout=10, **kwargs)

    def post(self, path, **kwargs):
        return requests.post(self.info["cosmos"] + path, timeout=10, **kwargs)

    def delete(self, path, **kwargs):
        return requests.delete(self.info["cosmos"] + path, timeout=10, **kwargs)

    def stop(self):
        """SIGTERM; fails unless it ends with 0."""
        code = self.process.stop()
        assert code == 0, self.process.failed(f"exit {code} after SIGTERM")

    def complaints(self):
        found = [f"sandbox: {alarm!r} in its log:\n{self.process.log_tail(60)}"
                 for alarm in ALARMS if alarm in self.process.log()]
        code = self.process.returncode
        if code is not None and code < 0 and code != -9:
            found.append(f"the sandbox died of signal {-code}:\n{self.process.log_tail()}")
        return found
