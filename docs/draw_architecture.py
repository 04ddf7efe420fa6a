"""Drawing of the package's rooms and their imports: docs/images/architecture.png.

Run it with ``python docs/draw_architecture.py [FILE.png]``. Floors are
those that tests/test_import.py enforces; arrows are the imports found in the code, without those
that a chain of other arrows implies.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_import import FLOORS, LEVEL, edges, room  # noqa: E402


def arrows() -> set[tuple[str, str]]:
    """Pairs of a room and a lower room that it imports, transitively reduced."""
    pairs = {(room(a), room(b)) for a, b in edges()}
    pairs = {(a, b) for a, b in pairs if LEVEL[a] > LEVEL[b] and a != "__main__"}
    below: dict[str, set[str]] = {}
    for name in sorted(LEVEL, key=LEVEL.__getitem__):
        direct = {b for a, b in pairs if a == name}
        below[name] = direct.union(*(below[b] for b in direct))
    return {(a, b) for a, b in pairs if not any((a, c) in pairs and b in below[c] for c in below)}


def draw(path: Path) -> None:
    """Draw floors from bottom to top, rooms as boxes, imports as arrows."""
    widest = max(len(rooms) for rooms in FLOORS)
    figure = Figure(figsize=(1.9 * widest, 10), layout="constrained")
    axes = figure.add_subplot()
    places = {}
    for level, rooms in enumerate(FLOORS):
        shown = sorted(rooms - {"__main__"})
        for column, name in enumerate(shown):
            x = 2.6 * (column - (len(shown) - 1) / 2) + (0.45 if level % 2 else -0.45)
            places[name] = (x, 1.2 * level)
    for a, b in sorted(arrows()):
        (x0, y0), (x1, y1) = places[a], places[b]
        axes.annotate(
            "",
            (x1, y1 + 0.27),
            (x0, y0 - 0.27),
            arrowprops={"arrowstyle": "->", "color": "0.6", "shrinkA": 0, "shrinkB": 0},
        )
    for name, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": "#e8f0f8", "edgecolor": "#305070"}
        axes.text(x, y, name, ha="center", va="center", fontsize=11, bbox=box)
    axes.set(xlim=(-1.3 * widest - 0.5, 1.3 * widest + 0.5), ylim=(-0.6, 1.2 * len(FLOORS) - 0.6))
    axes.set_axis_off()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images/architecture.png"
    draw(target)
    sys.stdout.write(f"wrote {target}\n")
