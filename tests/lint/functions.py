#!/usr/bin/env python3
"""Finds what has grown too long: C functions above 80 lines and source files above 700 lines are findings (exit 1);
functions above 60 lines are only listed. A function's lines are those from its opening brace to its closing one, both
of which stand alone in the first column here."""

import os
import sys
from pathlib import Path

ROOT = Path(os.environ.get("LINT_ROOT") or Path(__file__).resolve().parents[2])
FUNCTION_LIMIT, FUNCTION_NOTE, FILE_LIMIT = 80, 60, 700
SUFFIXES = {".c", ".h", ".py", ".mjs", ".js", ".sh", ".lua"}


def files():
    skip = {".git", ".venv", ".deps", "node_modules", "__pycache__"}
    for folder, folders, names in os.walk(ROOT):
        at_root = Path(folder) == ROOT
        folders[:] = sorted(d for d in folders if d not in skip and not (at_root and d.startswith("build")))
        for name in sorted(names):
            if Path(name).suffix in SUFFIXES:
                yield Path(folder) / name


def functions(lines):
    """(line of the opening brace, length, the line above it) of each function."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            yield start, number - start + 1, lines[start - 2].strip() if start > 1 else ""
            start = None


def main():
    findings = 0
    for path in files():
        lines = path.read_text(encoding="utf-8").splitlines()
        name = path.relative_to(ROOT)
        if len(lines) > FILE_LIMIT:
            findings += 1
            print(f"{name}: {len(lines)} lines, more than {FILE_LIMIT}")
        if path.suffix != ".c":
            continue
        for start, length, head in functions(lines):
            if length > FUNCTION_LIMIT:
                findings += 1
                print(f"{name}:{start}: {length} lines, more than {FUNCTION_LIMIT}: {head}")
            elif length > FUNCTION_NOTE:
                print(f"{name}:{start}: note: {length} lines: {head}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
