"""The documents that are measured with: real entries of the ISO registries inside, not one long string."""

import json
from array import array
from pathlib import Path

ISO = Path("/usr/share/iso-codes/json/iso_3166-2.json")
TENANTS = 50021  # a prime: so many partition keys that equal ranges get equal shares, within a percent or two


class Documents:
    """`count` documents of about `size` bytes, one a line in `path`, of `items` items: line n is a write of item
    n % items, so each item is written count / items times, far apart. Line n says "seq": n."""

    def __init__(self, path, count, size=1000, items=None):
        self.path, self.count, self.items = Path(path), count, items or count
        self.starts = array("Q")
        entries = [json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
                   for entry in json.loads(ISO.read_text())["3166-2"]]
        at = 0
        with open(self.path, "wb") as out:
            for n in range(count):
                line = self._line(n, size, entries)
                self.starts.append(at)
                at += out.write(line)
        self.starts.append(at)
        self.mean_bytes = at / count - 1  # without the line feed

    def _line(self, n, size, entries):
        item = n % self.items
        parts, length = [], 70
        while length < size and (length + 60 < size or not parts):
            part = entries[(n + len(parts)) % len(entries)]
            parts.append(part)
            length += len(part) + 1
        return (f'{{"id":"doc-{item:08d}","pk":"tenant-{item * 7919 % TENANTS}","seq":{n},"entries":['
                f'{",".join(parts)}]}}\n').encode()

    def last_of(self, item):
        """The line that has to stand when all writes of the item are carried out in order."""
        return item + (self.count - 1 - item) // self.items * self.items
