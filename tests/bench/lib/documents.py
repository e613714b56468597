"""The documents that are measured with: real entries of the ISO registries inside, not one long string."""

import json
import random
from array import array
from pathlib import Path

ISO = Path("/usr/share/iso-codes/json/iso_3166-2.json")
TENANTS = 50021  # a prime: so many partition keys that equal ranges get equal shares, within a percent or two


def iso_entries():
    """Each entry as JSON, without spaces."""
    return [json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
            for entry in json.loads(ISO.read_text())["3166-2"]]


def document(item, seq, size, entries):
    """The text of one document of about `size` bytes."""
    parts, length = [], 70
    while length < size and (length + 60 < size or not parts):
        part = entries[(seq + len(parts)) % len(entries)]
        parts.append(part)
        length += len(part) + 1
    return (f'{{"id":"doc-{item:08d}","pk":"tenant-{item * 7919 % TENANTS}","seq":{seq},"entries":['
            f'{",".join(parts)}]}}')


def write_bodies(path, count, each, size=1000):
    """`count` bodies of requests, one a line: arrays of `each` documents with random ids. Returns the mean of the
    documents' bytes."""
    entries, numbers, total = iso_entries(), random.Random(each), 0
    with open(path, "w", encoding="utf-8") as out:
        for body in range(count):
            documents = [document(numbers.randrange(100_000_000), body * each + n, size, entries) for n in range(each)]
            total += sum(len(text.encode()) for text in documents)
            out.write(f"[{','.join(documents)}]\n")
    return total / (count * each)


class Documents:
    """`count` documents of about `size` bytes, one a line in `path`, of `items` items: line n is a write of item
    n % items, so each item is written count / items times, far apart. Line n says "seq": n."""

    def __init__(self, path, count, size=1000, items=None):
        self.path, self.count, self.items = Path(path), count, items or count
        self.starts = array("Q")
        entries = iso_entries()
        at = 0
        with open(self.path, "wb") as out:
            for n in range(count):
                self.starts.append(at)
                at += out.write(document(n % self.items, n, size, entries).encode() + b"\n")
        self.starts.append(at)
        self.mean_bytes = at / count - 1  # without the line feed

    def last_of(self, item):
        """The line that has to stand when all writes of the item are carried out in order."""
        return item + (self.count - 1 - item) // self.items * self.items


class LargeFile:
    """At least `size` bytes of NDJSON in `path`: the same documents again and again."""

    def __init__(self, path, size, block=50_000):
        documents = Documents(path, block)
        self.path, self.mean_bytes = documents.path, documents.mean_bytes
        text = self.path.read_bytes()
        times = -(-size // len(text))
        self.bytes, self.count = times * len(text), times * block
        with open(self.path, "ab") as out:
            for _ in range(times - 1):
                out.write(text)
