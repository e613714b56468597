"""Draws what a terminal shows as an SVG: `make demo | python3 docs/picture.py 'make demo' > docs/demo.svg`."""

import html
import sys

COLUMNS, LINE, CHAR = 118, 17, 7.3


def main():
    title = sys.argv[1] if len(sys.argv) > 1 else ""
    lines = [f"$ {title}"] + [line.rstrip("\n")[:COLUMNS] for line in sys.stdin]
    while lines and not lines[-1].strip():
        lines.pop()
    width, height = int(COLUMNS * CHAR + 32), len(lines) * LINE + 56
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
          f'role="img" aria-label="{html.escape(title)} in a terminal">')
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#12161c"/>')
    for i, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        print(f'<circle cx="{20 + i * 18}" cy="18" r="5.5" fill="{colour}"/>')
    print('<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12" fill="#d5dbe3" '
          'xml:space="preserve">')
    for i, line in enumerate(lines):
        heading = line[:2] in {f"{n}." for n in range(1, 10)} or line.startswith("$ ")
        ledger = line.startswith("ledger:")
        style = ' font-weight="bold" fill="#8ecbff"' if heading else ' font-weight="bold" fill="#7ee2a8"' if ledger else ""
        print(f'<text x="16" y="{50 + i * LINE}"{style}>{html.escape(line)}</text>')
    print("</g></svg>")


if __name__ == "__main__":
    main()
