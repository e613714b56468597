"""Free TCP ports on loopback."""

import os
import random
import socket

# The kernel hands client sockets ports from 32768 up: below that, nobody takes a port between our look and our use of
# it, except another test run, which draws at random as well. The workers of one run draw from parts of their own.
LOWEST, HIGHEST = 20000, 32000
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

_given = set()


def free_port():
    """Returns a port that nothing listens on, never the same one twice in a process."""
    for _ in range(500):
        port = random.randrange(LOWEST + WORKER, HIGHEST, WORKERS)
        if port in _given:
            continue
        with socket.socket() as probe:
            # No SO_REUSEADDR: a port whose last connections still linger is not good enough for a server without it.
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError(f"no free port in {LOWEST}..{HIGHEST}")


def listens(port, host="127.0.0.1"):
    """True if something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
