r"""Answers of the fit where images, or the start, change by rounding: how many are others.

    python bench/fit_rounding.py -n 200 --out here.jsonl
    OPENBLAS_CORETYPE=Haswell STEMFAST_ISA=v2 python bench/fit_rounding.py \
        -n 200 --out there.jsonl
    python bench/fit_rounding.py --compare here.jsonl there.jsonl

Test images of a task, each read from the image alone as it is and with every pixel changed by
1e-12 of its value; then one fit from a start beside the answer, and from that start changed
likewise. An answer is another one if the class or the cut corners differ, or an edge by more than
1e-6 nm, or a cut by 1e-6. A file that is there is gone on with.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast import recipes
from stemfast.dataset.splits import first_index
from stemfast.fit import CutCuboid, decide, observe, refine
from stemfast.fit.prior import prior_of

ROUNDING, SAME = 1e-12, 1e-6
#: Edges [nm] and cuts of two maxima that are each other's mirror image but for convergence.
ALIKE = 1e-2
CASES = ("image", "disturbed image", "start", "disturbed start")


def disturbed(values: Any, seed: int) -> NDArray[np.float64]:
    """Values that differ by rounding."""
    array = np.asarray(values, np.float64)
    return array * (1.0 + ROUNDING * np.random.default_rng(seed).standard_normal(array.shape))


def told(shape: CutCuboid, answer: int | None = None) -> dict[str, Any]:
    """An answer as it is compared."""
    return {
        "answer": answer,
        "mask": shape.mask,
        "edges": shape.edges_nm.tolist(),
        "cuts": shape.cuts.tolist(),
    }


def read(recipe: recipes.Recipe, index: int) -> dict[str, Any]:
    """Answers of one test image, by case."""
    scenes = recipe.sample(0, index, index + 1)
    image, scope = scenes.simulate(n_threads=1)[0], scenes.microscope(0)
    material, prior = scenes.materials[0].decode(), prior_of(recipe)
    found = [
        decide(one, scope, recipe.name, material=material, prior=prior)
        for one in (image, disturbed(image, index))
    ]
    best = found[0].best.shape
    start = best.moved(
        np.full(3, 0.03), best.position_nm + 0.1, 1.01 * best.edges_nm, 0.9 * best.cuts
    )
    places = "edges_nm", "cuts", "quaternion", "position_nm"
    changed = {name: disturbed(getattr(start, name), index + k) for k, name in enumerate(places)}
    beside = replace(start, **changed)
    seen = observe(image, scope, start)
    fits = [refine(seen, one, prior=prior).shape for one in (start, beside)]
    answers = [*(told(one.best.shape, one.answer) for one in found), *map(told, fits)]
    return {"index": index, **dict(zip(CASES, answers, strict=True))}


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Name the part that differs between two answers; nothing if they agree but for rounding."""
    if one["answer"] != other["answer"]:
        return "class"
    edges, cuts = (np.array(one[key]) - other[key] for key in ("edges", "cuts"))
    if one["mask"] != other["mask"]:
        # Corners k and 7 - k are opposite: through the centre, a particle is its mirror image.
        mirrored = np.abs(np.array(one["cuts"]) - other["cuts"][::-1]).max()
        alike = max(mirrored, np.abs(edges).max()) < ALIKE
        return "mirror image" if alike else "corners"
    return "sizes" if max(np.abs(edges).max(), np.abs(cuts).max()) > SAME else ""


def say(what: str, pairs: list[tuple[int, dict[str, Any], dict[str, Any]]]) -> None:
    """Print the number of images with another answer, and these images."""
    others = {index: difference(one, other) for index, one, other in pairs}
    which = [f"image {index} ({kind})" for index, kind in others.items() if kind]
    print(f"{what}: {len(which)} of {len(pairs)} are others", *which, sep=", ")


def records(path: Path) -> dict[int, dict[str, Any]]:
    """Lines of a file by image, counted from the first of the test split."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line["index"]: line for line in map(json.loads, lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=200, help="images")
    parser.add_argument("--task", default="count")
    parser.add_argument("--out", type=Path, default=Path("rounding.jsonl"))
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("HERE", "THERE"))
    told_of = parser.parse_args()
    if told_of.compare:
        here, there = (records(path) for path in told_of.compare)
        for case in (CASES[0], CASES[2]):
            both = sorted(here.keys() & there.keys())
            say(f"{case}, two runs", [(i, here[i][case], there[i][case]) for i in both])
        return
    recipe, done = recipes.get(told_of.task), records(told_of.out)
    for i in range(told_of.n):
        if i not in done:
            done[i] = {**read(recipe, first_index("test") + i), "index": i}
            with told_of.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[i]) + "\n")
    for one, other in (CASES[:2], CASES[2:]):
        say(other, [(i, done[i][one], done[i][other]) for i in range(told_of.n)])


if __name__ == "__main__":
    main()
