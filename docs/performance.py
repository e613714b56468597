"""Draws the pictures of docs/PERFORMANCE.md from docs/performance/sweep.csv: the same data give the same bytes.

usage: performance.py [--check]

With --check it writes nothing, and fails if a picture is not what the data say. Measuring anew: make bench-sweep.
"""

import csv
import math
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "performance"
WIDTH, HEIGHT = 880, 340
PLOT_WIDTH, PLOT_HEIGHT, PLOT_TOP = 330, 205, 62
PLOT_LEFTS = (84, 524)

CPU = (("consumer", "consumer_cpu_s_per_million"), ("emulator", "emulator_cpu_s_per_million"),
       ("broker", "broker_cpu_s_per_million"))
# The sweep, its x axis, whether the y axes are logarithmic, whether a line shows the first point multiplied.
PICTURES = (
    ("record-size", "size of a document, bytes", True, False),
    ("ranges", "partition key ranges, at 10 ms service time", False, False),
    ("service-time", "service time of a request, ms", False, False),
    ("workers", "consumer.workers", False, False),
    ("consumers", "consumers, at 100 ms service time, 16 ranges, one request in flight per range and consumer", False,
     True),
)

STYLE = """
.card { fill: #ffffff } .text { fill: #24292f } .faint { fill: #57606a } .grid { stroke: #d8dee4 }
.axis { stroke: #57606a }
.line { fill: none; stroke-width: 2.2 } .consumer { stroke: #0969da } .emulator { stroke: #bc4c00 }
.broker { stroke: #6e7781 } .linear { stroke: #57606a; stroke-dasharray: 4 4; stroke-width: 1.4 }
.dot-consumer { fill: #0969da } .dot-emulator { fill: #bc4c00 } .dot-broker { fill: #6e7781 }
text { font-family: Helvetica, Arial, sans-serif; font-size: 12.5px } .title { font-size: 14px; font-weight: bold }
@media (prefers-color-scheme: dark) {
.card { fill: #161b22 } .text { fill: #e6edf3 } .faint { fill: #9ba7b4 } .grid { stroke: #30363d }
.axis { stroke: #9ba7b4 }
.consumer { stroke: #58a6ff } .emulator { stroke: #f0883e } .broker { stroke: #b1bac4 } .linear { stroke: #9ba7b4 }
.dot-consumer { fill: #58a6ff } .dot-emulator { fill: #f0883e } .dot-broker { fill: #b1bac4 }
}
"""


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:g}"


def size(value):
    for factor, unit in ((1_000_000, "M"), (1000, "k")):
        if value >= factor:
            return f"{value // factor}{unit}"
    return str(value)


class Scale:
    """From values to the height in a plot, with ticks at round numbers."""

    def __init__(self, highest, lowest, logarithmic):
        self.logarithmic = logarithmic
        if logarithmic:
            self.low = math.floor(math.log10(lowest))
            self.high = max(self.low + 1, math.ceil(math.log10(highest)))
            self.ticks = [10.0 ** e for e in range(self.low, self.high + 1)]
        else:
            step = 10.0 ** math.floor(math.log10(highest / 4))
            step *= next(factor for factor in (1, 2, 2.5, 5, 10) if highest / (step * factor) <= 5)
            self.low, self.high = 0, step * math.ceil(highest / step)
            self.ticks = [step * i for i in range(round(self.high / step) + 1)]

    def y(self, value):
        at = math.log10(value) if self.logarithmic else value
        return PLOT_TOP + PLOT_HEIGHT * (1 - (at - self.low) / (self.high - self.low))


def positions(left, count):
    """Values of x stand at equal distances."""
    return [left + PLOT_WIDTH * (0.06 + 0.88 * i / (count - 1)) for i in range(count)]


def text(x, y, content, classes="text", anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">{content}</text>'


def line(xs, ys, name):
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys))
    return f'<polyline points="{points}" class="line {name}"/>'


def frame(left, title, scale, labels):
    out = [text(left - 60, 28, title, "text title", "start")]
    for tick in scale.ticks:
        y = scale.y(tick)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + PLOT_WIDTH}" y2="{y:.1f}" class="grid"/>')
        out.append(text(left - 8, y + 4, number(tick), "faint", "end"))
    bottom = PLOT_TOP + PLOT_HEIGHT
    out.append(f'<line x1="{left}" y1="{bottom}" x2="{left + PLOT_WIDTH}" y2="{bottom}" class="axis"/>')
    for x, label in zip(positions(left, len(labels)), labels):
        out.append(text(x, bottom + 18, label, "faint"))
    return out


def panel(left, title, rows, series, labels, logarithmic, linear=None):
    values = [float(row[column]) for _, column in series for row in rows]
    if linear:
        values += linear
    # What took less than the clock's tick shows as nothing, which has no logarithm.
    floor = min((v for v in values if v > 0), default=1)
    scale = Scale(max(values), floor, logarithmic)
    xs = positions(left, len(rows))
    out = frame(left, title, scale, labels)
    if linear:
        out.append(line(xs, [scale.y(v) for v in linear], "linear"))
    for name, column in series:
        ys = [scale.y(max(float(row[column]), floor if logarithmic else 0)) for row in rows]
        out.append(line(xs, ys, name))
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" class="dot-{name}"/>' for x, y in zip(xs, ys)]
    if len(series) > 1 or linear:
        names = [name for name, _ in series] + (["linear"] if linear else [])
        at = left
        for name in names:
            out.append(f'<line x1="{at}" y1="46" x2="{at + 22}" y2="46" class="line {name}"/>')
            out.append(text(at + 28, 50, name, "text", "start"))
            at += 100
    return out


def picture(sweep, x_title, logarithmic, with_linear, rows):
    labels = [size(int(row["x"])) if sweep == "record-size" else row["x"] for row in rows]
    linear = None
    if with_linear:
        first = rows[0]
        linear = [float(first["documents_per_s"]) * int(row["x"]) / int(first["x"]) for row in rows]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'role="img" aria-label="throughput and CPU against {sweep}">', f"<style>{STYLE}</style>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" class="card"/>']
    out += panel(PLOT_LEFTS[0], "documents/s", rows, (("consumer", "documents_per_s"),), labels, logarithmic,
                 linear)
    out += panel(PLOT_LEFTS[1], "CPU seconds per million documents", rows, CPU, labels, logarithmic)
    out.append(text(WIDTH / 2, HEIGHT - 18, x_title, "text"))
    return "\n".join([*out, "</svg>"]) + "\n"


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    with open(FOLDER / "sweep.csv", newline="") as file:
        data = list(csv.DictReader(file))
    status = 0
    for sweep, x_title, logarithmic, with_linear in PICTURES:
        rows = [row for row in data if row["sweep"] == sweep]
        path = FOLDER / f"{sweep}.svg"
        drawn = picture(sweep, x_title, logarithmic, with_linear, rows)
        if not check:
            path.write_text(drawn)
        elif not path.exists() or path.read_text() != drawn:
            print(f"docs/performance/{path.name} is not what sweep.csv says: python3 docs/performance.py")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
