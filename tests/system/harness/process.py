"""One child process: started with its output in a file, waited for, signalled, and gone at the end."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path


class ProcessFailed(Exception):
    """A child ended, or did not become ready; the message carries the end of its log."""


def wait_until(condition, timeout_s, what, every_s=0.02):
    """Calls `condition` until it returns something true, and returns that. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout_s} s still waiting for: {what}")
        time.sleep(every_s)


class Process:
    """A child process in a session of its own. Output of all its lives is appended to `log_path`."""

    def __init__(self, argv, log_path, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.argv = [str(a) for a in argv]
        self.log_path = Path(log_path)
        self.env = env
        self.cwd = cwd
        self.stdin = stdin
        self._popen = None
        self._frozen = False
        self._log_start = 0

    @property
    def pid(self):
        return self._popen.pid if self._popen else None

    @property
    def returncode(self):
        """None while it runs (or before it ever ran); as subprocess.Popen's afterwards."""
        return self._popen.poll() if self._popen else None

    def running(self):
        return self._popen is not None and self._popen.poll() is None

    def start(self):
        if self.running():
            raise RuntimeError(f"{self.argv[0]} runs already")
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        # The child dies with the test run, however that ends. The kernel ties this to the starting *thread*, so a
        # child started from a helper thread goes without, or it would end with that thread.
        tie = []
        if threading.current_thread() is threading.main_thread():
            tie = ["setpriv", "--pdeathsig", "KILL", "--"]
        with open(self.log_path, "ab") as log:
            self._popen = subprocess.Popen(
                tie + self.argv, stdin=self.stdin, stdout=log, stderr=log, env=self.env, cwd=self.cwd,
                start_new_session=True)
        self._frozen = False
        return self

    def log(self, this_life=False):
        """What it wrote so far, as text."""
        if not self.log_path.exists():
            return ""
        with open(self.log_path, "rb") as f:
            f.seek(self._log_start if this_life else 0)
            return f.read().decode("utf-8", "replace")

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, text, timeout_s=20):
        """Waits until this life's log holds `text`; raises ProcessFailed if the process ends before."""
        def look():
            running = self.running()  # before reading: its last words may be the ones
            if text in self.log(this_life=True):
                return True
            if not running:
                raise self.failed(f"ended with {self.returncode} before it wrote {text!r}")
            return False
        wait_until(look, timeout_s, f"{text!r} in {self.log_path}")

    def failed(self, why):
        return ProcessFailed(f"{self.argv[0]}: {why}\n--- end of {self.log_path}\n{self.log_tail()}")

    def signal(self, number):
        self._popen.send_signal(number)

    def pause(self):
        """Freezes it (SIGSTOP): its sockets stay open and answer nothing."""
        self.signal(signal.SIGSTOP)
        self._frozen = True

    def resume(self):
        self.signal(signal.SIGCONT)
        self._frozen = False

    def wait(self, timeout_s=30):
        """Waits for its end and returns the exit code (negative: the signal)."""
        return self._popen.wait(timeout_s)

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        if self.running():
            self.signal(signal.SIGKILL)
            self._popen.wait(30)

    def stop(self, timeout_s=30):
        """SIGTERM; returns the exit code. A process that has not ended by then is killed and reported."""
        if not self.running():
            return self.returncode
        if self._frozen:
            self.resume()
        self.signal(signal.SIGTERM)
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self.failed(f"had not ended {timeout_s} s after SIGTERM") from None

    def leftovers(self):
        """Live processes of the child's session: what it started and did not end. [] is how it should be."""
        if not self._popen:
            return []
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if int(fields[3]) == self._popen.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def end(self):
        """For teardown: kills it and whatever it left behind; returns the pids that it left."""
        self.kill()
        left = self.leftovers()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return left

    # What /proc knows of it: for tests of bounded memory and of work done.

    def rss_bytes(self, peak=False):
        name = "VmHWM:" if peak else "VmRSS:"
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {name} for {self.pid}")

    def cpu_s(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
