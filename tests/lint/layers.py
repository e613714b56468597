#!/usr/bin/env python3
"""Checks every #include of the sources against rows.txt: layers, rows within a folder, and which file may use which
library. tests/lint/rows.txt says how it is written.

  layers.py                  checks; prints file:line and what is wrong; exit 1 on findings
  layers.py --suggest DIR    prints the rows of a folder as its files include one another now
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(os.environ.get("LINT_ROOT") or Path(__file__).resolve().parents[2])
ROWS = Path(os.environ.get("LINT_ROWS") or Path(__file__).resolve().parent / "rows.txt")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


class Rules:
    """What rows.txt says."""

    def __init__(self, text):
        self.layer = {}      # folder -> (its number, the others of its layer may not include one another)
        self.rows = {}       # folder -> {stem, or file name: row number}
        self.libraries = {}  # header prefix -> {path without extension}
        self.problems = []
        entries = []  # [line number, text]; an indented line goes on with the one before
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#", 1)[0].rstrip()
            if line.startswith((" ", "\t")) and entries:
                entries[-1][1] += " " + line.strip()
            elif line:
                entries.append([number, line])
        for number, entry in entries:
            self._read(entry, f"{ROWS.name}:{number}")

    def _read(self, line, where):
        kind, _, rest = line.partition(" ")
        if kind == "layers":
            for level, group in enumerate(rest.split("<")):
                for folder in group.split():
                    self.layer[folder] = level
            return
        name, colon, body = rest.partition(":")
        name = name.strip()
        if kind not in ("rows", "library") or not colon:
            self.problems.append(f"{where}: not understood: {line}")
        elif kind == "library":
            self.libraries.setdefault(name, set()).update(body.split())
        else:
            rows = self.rows.setdefault(name, {})
            for level, group in enumerate(body.split("<")):
                for stem in group.split():
                    if stem in rows:
                        self.problems.append(f"{where}: {stem} stands twice in {name}")
                    rows[stem] = level

    def row(self, path):
        """A file's row: listed with its extension, or by its stem; None if neither."""
        rows = self.rows.get(str(path.parent), {})
        return rows.get(path.name, rows.get(path.stem))

    def library_of(self, header):
        """The longest prefix that fences this header, or None."""
        return max((p for p in self.libraries if header.startswith(p)), key=len, default=None)


def sources():
    """Every .c and .h as a path relative to the root."""
    skip = {".git", ".venv", ".deps", "node_modules"}
    for folder, folders, files in os.walk(ROOT):
        at_root = Path(folder) == ROOT
        folders[:] = sorted(d for d in folders if d not in skip and not (at_root and d.startswith("build")))
        for name in sorted(files):
            if name.endswith((".c", ".h")):
                yield (Path(folder) / name).relative_to(ROOT)


def includes(path):
    """(line number, own header or None, library header or None)."""
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1], match[2]


def check_own(rules, path, header):
    """Why `path` may not include our own `header`, or None."""
    target = Path(header)
    if not (ROOT / target).is_file():
        return f'"{header}" is not a path from the root of the tree'
    if target.suffix != ".h":
        return f'"{header}" is not a header'
    here, there = str(path.parent), str(target.parent)
    if there.split("/")[0] == "tests":
        return "nothing outside tests/ includes tests/"
    if here == there:
        lower, upper = rules.row(target), rules.row(path)
        if path.stem == target.stem or lower is None or upper is None:
            return None  # its own header; or unlisted, which is reported once for the file
        return f"{target.name} does not stand in a lower row than {path.name}" if lower >= upper else None
    if there not in rules.layer:
        return f"{there} stands in no layer"
    if here in rules.layer and rules.layer[there] >= rules.layer[here]:
        return f"{there} is not a lower layer than {here}"
    return None


def check_library(rules, path, header):
    prefix = rules.library_of(header)
    if prefix is None or str(path.with_suffix("")) in rules.libraries[prefix]:
        return None
    return f"<{header}> is fenced: library {prefix} may be used by {' '.join(sorted(rules.libraries[prefix]))} only"


def check(rules):
    problems = list(rules.problems)
    present = {}
    for path in sources():
        if path.parts[0] == "tests":
            continue
        folder = str(path.parent)
        present.setdefault(folder, set()).update((path.stem, path.name))
        if folder not in rules.layer:
            problems.append(f"{path}: folder {folder} stands in no layer")
        if rules.row(path) is None:
            problems.append(f"{path}: {path.stem} stands in no row of {folder}")
        for number, own, library in includes(path):
            why = check_own(rules, path, own) if own else check_library(rules, path, library)
            if why:
                problems.append(f"{path}:{number}: {why}")
    for folder, rows in rules.rows.items():
        for stem in rows:
            if stem not in present.get(folder, ()):
                problems.append(f"{ROWS.name}: {folder} has no {stem}")
    return problems


def graph(folder, split):
    """{row name: row names it includes}; files of the stems in `split` stand for themselves."""
    def row_name(path):
        return path.name if path.stem in split else path.stem
    needs = {}
    for path in sources():
        if str(path.parent) == folder:
            mine = needs.setdefault(row_name(path), set())
            own = [Path(h) for _, h, _ in includes(path) if h]
            mine |= {row_name(h) for h in own if str(h.parent) == folder and row_name(h) != row_name(path)}
    return needs


def reachable(needs, start):
    seen, todo = set(), list(needs.get(start, ()))
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += needs.get(name, ())
    return seen


def suggest(folder):
    """Rows by longest path: a stem stands right above the highest one that it includes. Where stems include one
    another, their .h and .c stand apart."""
    needs = graph(folder, ())
    circular = {n for n in needs if n in reachable(needs, n)}
    if circular:
        needs = graph(folder, circular)
        still = {n for n in needs if n in reachable(needs, n)}
        if still:
            sys.exit(f"{folder}: these include one another in a cycle: {' '.join(sorted(still))}")
    height = {}

    def climb(name):
        if name not in height:
            height[name] = 1 + max((climb(n) for n in needs.get(name, ())), default=-1)
        return height[name]
    for name in needs:
        climb(name)
    groups = [sorted(n for n in height if height[n] == level) for level in range(max(height.values(), default=-1) + 1)]
    return f"rows {folder}:\n" + "\n".join(f"    {'< ' if i else ''}{' '.join(g)}" for i, g in enumerate(groups))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--suggest":
        print(suggest(sys.argv[2].rstrip("/")))
        return 0
    problems = check(Rules(ROWS.read_text(encoding="utf-8")))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
