"""What the emulator says about itself, asked as cheaply as can be while it is being measured, and the check of what
it holds in the end."""

import http.client
import json
import mmap
from urllib.parse import urlencode, urlsplit

ACCEPTED = ("200", "201")


class Emulator:
    """One kept connection to a harness.programs.Sandbox."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        address = urlsplit(sandbox.info["cosmos"])
        self.port = address.port
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    def _get(self, path):
        self._connection.request("GET", path)
        return self._connection.getresponse()

    def container(self):
        """The container's part of /_sandbox/stats."""
        return json.loads(self._get("/_sandbox/stats").read())["containers"][0]

    def upserts(self):
        """{"accepted": operations that took effect, "refused": the others, "request_units": all charged}."""
        container = self.container()
        by_status = container["operations"].get("upsert", {})
        accepted = sum(by_status.get(status, 0) for status in ACCEPTED)
        return {"accepted": accepted, "refused": sum(by_status.values()) - accepted,
                "request_units": container["request_units"]}

    def verify(self, documents):
        """Compares what is stored, byte for byte, with the last write of each item: {"lost": items that are not
        there, "older": items that hold something else than their last write}."""
        info = self.sandbox.info
        query = urlencode({"database": info["database"], "container": info["container"]})
        response = self._get(f"/_sandbox/documents?{query}")
        there = bytearray(documents.items)
        older = 0
        with open(documents.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
            for line in _lines(response):
                # {"id":"doc-00000007","pk":["tenant-9"],"document":{…}}
                item = int(line[11:19])
                there[item] = 1
                n = documents.last_of(item)
                wanted = lines[documents.starts[n]:documents.starts[n + 1] - 1]
                at = line.index(b'"document":') + 11
                # The emulator shows system properties behind the document's own members.
                older += line[at:at + len(wanted) - 1] != wanted[:-1]
        return {"lost": documents.items - sum(there), "older": older}


def _lines(response):
    rest = b""
    while True:
        piece = response.read(1 << 20)
        if not piece:
            break
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest.strip():
        yield rest
