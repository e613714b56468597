#!/usr/bin/env python3
"""Compares the metrics that the sources make with those that docs/METRICS.md names, both ways: names, and types where the
call shows them. Alert rules may use no others. `--table` prints what the page says, for tests."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(os.environ.get("LINT_ROOT") or Path(__file__).resolve().parents[2])
PAGE = ROOT / "docs" / "METRICS.md"
RULES = ROOT / "deploy" / "prometheus-alerts.yml"
SOURCES = ("common", "producer", "consumer", "deadletter")
NAME = r"(?:writebehind|process)_[a-z0-9_]+"
TYPES = ("counter", "gauge", "histogram")


def documented():
    """{name: (program, type, unit, {label, …})}; program is "" where every service has it."""
    program, table, findings = None, {}, []
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            heading = line[3:]
            program = "" if heading.startswith("Every") else heading
        if not line.startswith("| `"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = cells[0].strip("`")
        if len(cells) != 6:
            findings.append(f"docs/METRICS.md:{number}: {len(cells)} columns, not 6")
            continue
        if name in table:
            findings.append(f"docs/METRICS.md:{number}: {name} stands twice")
        if cells[1] not in TYPES or not cells[2] or not cells[4]:
            findings.append(f"docs/METRICS.md:{number}: {name} lacks its type, unit or meaning")
        if (cells[1] == "counter") != name.endswith("_total"):
            findings.append(f"docs/METRICS.md:{number}: {name} is a {cells[1]}: _total is how counters end")
        table[name] = (program, cells[1], cells[2], set(re.findall(r"`(\w+)`", cells[3])))
    return table, findings


def made():
    """{name: {type, …}} of the sources; a name in a #define has no type here."""
    found = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.c")):
            text = path.read_text(encoding="utf-8")
            for match in re.finditer(rf'"({NAME})"', text):
                call = re.search(r"wb_metrics_(counter|gauge|histogram)(?:_fn)?\([^;\"]*$", text[:match.start()])
                found.setdefault(match[1], set()).update({call[1]} if call else set())
    return found


def main():
    if not PAGE.exists():
        return 0
    table, findings = documented()
    if sys.argv[1:] == ["--table"]:
        for name, (program, kind, _unit, labels) in table.items():
            print(name, program or "-", kind, ",".join(sorted(labels)) or "-")
        return 0
    sources = made()
    findings += [f"docs/METRICS.md does not name {name}" for name in sorted(sources.keys() - table.keys())]
    findings += [f"docs/METRICS.md names {name}, which no source makes" for name in sorted(table.keys() - sources.keys())]
    for name in sorted(sources.keys() & table.keys()):
        if sources[name] - {table[name][1]}:
            findings.append(f"docs/METRICS.md: {name} is a {table[name][1]}, but made as {sorted(sources[name])}")
    if RULES.exists():
        used = set(re.findall(rf"\b{NAME}\b", RULES.read_text(encoding="utf-8")))
        bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
        findings += [f"deploy/prometheus-alerts.yml uses {name}, which is not documented"
                     for name in sorted(bare - table.keys())]
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
