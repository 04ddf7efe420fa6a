"""The report of 1,000 micrographs with 10,000 particles, from parts that are made up."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from stemfast.micrograph.table import CUT, NOT_SURE, UNDECIDED, UNLIKE
from stemfast.populations import write_report
from stemfast.populations.about import About, write_about
from stemfast.populations.part import FOLDER, Header, Part, Task, write_part
from stemfast.populations.pictures import chosen, jpeg
from stemfast.populations.settings import settings_for

FILES, PARTICLES = 1000, 10


def row(rng: np.random.Generator, label: int, names: tuple[str, ...]) -> dict:
    chances = rng.dirichlet([0.1] * len(names))
    diameter, novelty = rng.lognormal(2.5, 0.3), rng.gamma(8, 0.07)
    cut = bool(rng.random() < 0.1)
    doubt = CUT if cut else UNLIKE if novelty > 1 else UNDECIDED if chances.max() < 0.8 else ""
    return {
        "particle": label,
        "unit": "nm",
        "row_px": 1024 * rng.random(),
        "col_px": 1024 * rng.random(),
        "x_nm": 100 * rng.random(),
        "y_nm": 100 * rng.random(),
        "equivalent_diameter_px": 2.0 * diameter,
        "equivalent_diameter_nm": diameter,
        "area_px2": 4.0 * 0.785 * diameter**2,
        "area_nm2": 0.785 * diameter**2,
        "on_border": cut,
        "shape": NOT_SURE if doubt else names[int(chances.argmax())],
        "probability": float(chances.max()),
        "not_sure_because": doubt,
        "novelty": novelty,
        **dict(zip(names, map(float, chances), strict=True)),
    }


@pytest.fixture
def made_up(tmp_path):
    settings, card = settings_for()
    (tmp_path / FOLDER).mkdir()
    write_about(tmp_path, About("made up", settings, card))
    rng = np.random.default_rng(0)
    for k in range(FILES):
        rows = [row(rng, label, card.class_names) for label in range(1, PARTICLES + 1)]
        image = rng.normal(100, 20, (64, 64)).astype(np.float32)
        pictures = {
            label: jpeg(image, (10, 10, 40, 40)) for label in chosen(rows, card.class_names)
        }
        header = Header(Task(f"micrograph_{k:05d}.dm4", 100, k), settings.digest)
        part = Part(
            header=header,
            pixel_size_nm=0.2,
            shape=(1024, 1024),
            contrast="bright",
            method="network",
            pixels=str(k),
            class_names=card.class_names,
            rows=rows,
            pictures=pictures,
        )
        write_part(tmp_path, part)
    return tmp_path


def test_report_of_1000_micrographs(benchmark, report, made_up):
    start = time.process_time()
    done = benchmark.pedantic(lambda: write_report(made_up), rounds=1)
    seconds = time.process_time() - start
    told = json.loads(done.json.read_text())
    assert told["particles"]["found"] == FILES * PARTICLES
    assert sum(one["counted"] for one in told["shapes"]) == told["particles"]["counted"]
    assert len(done.table.read_text().splitlines()) == FILES * PARTICLES + 1
    size = done.page.stat().st_size
    assert size < 5e6
    report.add(
        f"report of {FILES} files, {FILES * PARTICLES} particles",
        f"{seconds:.1f} s of one core, {size / 1e6:.2f} MB",
    )
