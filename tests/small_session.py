"""Folders of small micrographs for tests, and what is read of the results."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

__all__ = [
    "PROBE",
    "READ",
    "RESULTS",
    "picture",
    "results",
    "table",
    "write_discs",
    "write_session",
]

RESULTS = ("particles.csv", "report.json", "report.html")

#: Settings that read these micrographs, but for the network.
READ = {
    "method": "classical",
    "contrast": "bright",
    "pixel_size_nm": 0.5,
    "max_novelty": float("inf"),
}

#: Sorts each table of a report by its first number, notes the order, and whether pictures have
#: pixels.
PROBE = """
<script>
const said = {};
for (const table of document.querySelectorAll("table")) {
  const head = table.tHead.rows[0].cells[table.id === "particles" ? 2 : 4];
  if (!head) continue;
  const read = () => Array.from(table.tBodies[0].rows, (r) => {
    const cell = r.cells[head.cellIndex];
    return Number(cell.dataset.v ?? cell.textContent);
  });
  head.click();
  const up = read();
  head.click();
  said[table.id] = [up, read()];
}
const pictures = Array.from(document.images);
said.pictures = [pictures.length, pictures.filter((p) => p.naturalWidth === 72).length];
document.title = JSON.stringify(said);
</script>
"""


def picture(seed: int, n: int = 4, side: int = 160) -> np.ndarray:
    """Discs and squares on noise, none at the edge."""
    rng = np.random.default_rng(seed)
    image = rng.normal(20.0, 1.0, (side, side))
    rows, cols = np.indices(image.shape)
    for k in range(n):
        row, col = 40 + 80 * (k // 2), 40 + 80 * (k % 2)
        radius = rng.uniform(8, 14)
        far = np.hypot if rng.random() < 0.5 else lambda a, b: np.maximum(abs(a), abs(b))
        image += 60.0 * (far(rows - row, cols - col) < radius)
    return image.astype(np.float32)


def write_session(folder: Path) -> Path:
    """Five micrographs, one damaged, one without a particle, and what is none."""
    for k in range(5):
        np.save(folder / f"m{k}.npy", picture(k))
    (folder / "broken.npy").write_bytes(b"no image at all")
    np.save(folder / "nothing.npy", np.random.default_rng(0).normal(100.0, 1.0, (64, 64)))
    (folder / "notes.txt").write_text("mine")
    (folder / ".hidden.npy").write_bytes(b"")
    (folder / "sub").mkdir()
    return folder


def write_discs(folder: Path, n: int) -> Path:
    """Micrographs of one disc each, and a damaged one."""
    rows, cols = np.indices((96, 96))
    for k in range(n):
        noise = np.random.default_rng(k).normal(20.0, 1.0, rows.shape)
        disc = np.hypot(rows - 40, cols - 50) < 8 + k
        np.save(folder / f"m{k}.npy", (noise + 60.0 * disc).astype(np.float32))
    (folder / "broken.npy").write_bytes(b"no image at all")
    return folder


def results(out: Path) -> dict[str, bytes]:
    """Table and report of a folder of results."""
    return {name: (out / name).read_bytes() for name in RESULTS}


def table(out: Path) -> list[dict[str, str]]:
    """Rows of the table of a folder of results."""
    with (out / "particles.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
