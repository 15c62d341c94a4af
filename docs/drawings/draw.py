#!/usr/bin/env python3
"""Makes the drawings of the book: docs/src/drawings/NAME.svg of each NAME.txt here.

    python3 docs/drawings/draw.py           # write them
    python3 docs/drawings/draw.py --check   # fail where one is not what its text says

A text has lines of these kinds:

    title WORDS                                    the drawing's name
    about WORDS                                    what it shows, for readers who do not see it

Threads and queues; places are columns and rows from 0, halves are allowed:

    thread NAME COLUMN ROW "LABEL" "SECOND LINE"   a box
    queue NAME COLUMN ROW "LABEL" "SECOND LINE"    a box with bars: what waits
    end NAME COLUMN ROW "LABEL" "SECOND LINE"      a round box: a socket, a disk
    arrow FROM TO "LABEL"                          from box to box; the label may be left out

Or a sequence, in the order in which things happen, from top to bottom:

    lane NAME "LABEL" "SECOND LINE"                a program or a thread, and its time as a line
    message FROM TO "LABEL"                        what one sends to the other
    step NAME "LABEL" "SECOND LINE"                what one does
    phase "LABEL"                                  what holds from here on, for all
"""

import pathlib
import shlex
import sys
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 168, 54  # of a box
ACROSS, DOWN = 228, 96  # from box to box
MARGIN = 14
BETWEEN = 256  # from lane to lane
MESSAGE, STEP, PHASE = 38, 62, 44  # heights of what happens in a sequence

STYLE = """
  svg { --ink: #1f2328; --page: #ffffff; --thread: #dbeafe; --queue: #fef3c7; --end: #e5e7eb; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6e9ed; --page: #14171b; --thread: #1e3a5f; --queue: #4d3b0a; --end: #343b43; }
  }
  .lane { stroke-dasharray: 3 4; } .phase { stroke-dasharray: 8 5; }
  .page { fill: var(--page); }
  text { fill: var(--ink); font: 14px system-ui, sans-serif; text-anchor: middle; }
  .small { font-size: 12px; }
  .label { stroke: var(--page); stroke-width: 5px; paint-order: stroke; }
  .thread, .queue, .end { stroke: var(--ink); stroke-width: 1.2; }
  .thread { fill: var(--thread); } .queue { fill: var(--queue); } .end { fill: var(--end); }
  line { stroke: var(--ink); stroke-width: 1.4; }
  marker path { fill: var(--ink); }
"""


def box(kind, x, y, label, second):
    radius = {"thread": 4, "queue": 0, "end": HEIGHT / 2}[kind]
    parts = [f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="{radius:g}"/>']
    if kind == "queue":
        for bar in (8, 14, WIDTH - 14, WIDTH - 8):
            parts.append(f'<line x1="{x + bar:g}" y1="{y:g}" x2="{x + bar:g}" y2="{y + HEIGHT:g}"/>')
    middle = x + WIDTH / 2
    first = y + (HEIGHT / 2 - 4 if second else HEIGHT / 2 + 5)
    parts.append(f'<text x="{middle:g}" y="{first:g}">{escape(label)}</text>')
    if second:
        parts.append(f'<text class="small" x="{middle:g}" y="{first + 19:g}">{escape(second)}</text>')
    return parts


def arrow(a, b, label):
    """Ends at the edges of the two boxes: side to side, or top to bottom within a column."""
    (ax, ay), (bx, by) = a, b
    if abs(ax - bx) < WIDTH:
        down = by > ay
        start = (ax + WIDTH / 2, ay + (HEIGHT if down else 0))
        end = (bx + WIDTH / 2, by + (-3 if down else HEIGHT + 3))
    else:
        right = bx > ax
        start = (ax + (WIDTH if right else 0), ay + HEIGHT / 2)
        end = (bx + (-3 if right else WIDTH + 3), by + HEIGHT / 2)
    (x1, y1), (x2, y2) = start, end
    parts = [f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" marker-end="url(#head)"/>']
    if label:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2 - (8 if y1 == y2 else 0)
        parts.append(f'<text class="small label" x="{x:g}" y="{y:g}">{escape(label)}</text>')
    return parts


def sequence(lines):
    """Returns the parts of a sequence, its width and its height."""
    lanes, parts = {}, []
    y = MARGIN + HEIGHT + 30
    for kind, *rest in lines:
        if kind == "lane":
            name, label, *second = rest
            x = MARGIN + len(lanes) * BETWEEN
            lanes[name] = x + WIDTH / 2
            parts += box("thread", x, MARGIN, label, "".join(second))
        elif kind == "message":
            start, end, label = rest
            (x1, x2) = lanes[start], lanes[end]
            tip = x2 - 3 if x2 > x1 else x2 + 3
            parts.append(f'<line x1="{x1:g}" y1="{y:g}" x2="{tip:g}" y2="{y:g}" marker-end="url(#head)"/>')
            parts.append(f'<text class="small label" x="{(x1 + x2) / 2:g}" y="{y - 7:g}">{escape(label)}</text>')
            y += MESSAGE
        elif kind == "step":
            name, label, *second = rest
            parts += box("end", lanes[name] - WIDTH / 2, y - 20, label, "".join(second))
            y += STEP
        else:
            (label,) = rest
            right = MARGIN + (len(lanes) - 1) * BETWEEN + WIDTH
            parts.append(f'<line class="phase" x1="{MARGIN}" y1="{y:g}" x2="{right:g}" y2="{y:g}"/>')
            parts.append(f'<text class="small label" x="{(MARGIN + right) / 2:g}" y="{y + 4:g}">{escape(label)}</text>')
            y += PHASE
    top = MARGIN + HEIGHT
    times = [f'<line class="lane" x1="{x:g}" y1="{top}" x2="{x:g}" y2="{y:g}"/>' for x in lanes.values()]
    return times + parts, max(lanes.values()) + WIDTH / 2 + MARGIN, y + MARGIN


def draw(text):
    words, places, boxes, arrows, steps = {}, {}, [], [], []
    for line in text.splitlines():
        kind, _, rest = line.strip().partition(" ")
        if kind in ("title", "about"):
            words[kind] = f"{words[kind]} {rest}" if kind in words else rest
        elif kind == "arrow":
            start, end, *label = shlex.split(rest)
            arrows += arrow(places[start], places[end], "".join(label))
        elif kind in ("thread", "queue", "end"):
            name, column, row, label, *second = shlex.split(rest)
            places[name] = (MARGIN + float(column) * ACROSS, MARGIN + float(row) * DOWN)
            boxes += box(kind, *places[name], label, "".join(second))
        elif kind in ("lane", "message", "step", "phase"):
            steps.append([kind, *shlex.split(rest)])
        elif kind:
            sys.exit(f"draw.py: no line begins with {kind}")
    if steps:
        boxes, width, height = sequence(steps)
    else:
        width = max(x for x, _ in places.values()) + WIDTH + MARGIN
        height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        'role="img" aria-labelledby="title about">',
        f'<title id="title">{escape(words["title"])}</title>',
        f'<desc id="about">{escape(words["about"])}</desc>',
        f"<style>{STYLE}</style>",
        head,
        f'<rect class="page" width="{width:g}" height="{height:g}"/>',
        *boxes,
        *arrows,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main():
    wrong = []
    for source in sorted(HERE.glob("*.txt")):
        target = HERE.parent / "src" / "drawings" / source.with_suffix(".svg").name
        drawn = draw(source.read_text(encoding="utf-8"))
        if "--check" not in sys.argv:
            target.parent.mkdir(exist_ok=True)
            target.write_text(drawn, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != drawn:
            wrong.append(target.name)
    if wrong:
        sys.exit(f"not what their texts say: {', '.join(wrong)}; python3 docs/drawings/draw.py draws them again")


main()
