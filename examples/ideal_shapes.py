"""`open-shapes` beside an observer that knows the physics, on the same images of one particle each.

    python examples/ideal_shapes.py [N]

N random members (8) of each family of the fit, at any pose, are imaged under the microscopes of
the recipe `count`: 128 px wide, and once more with pixels three times as wide and a twentieth of
the electrons in each. The observer is told the microscope and compares all families by their
evidence (`stemfast.fit.families`); families that are one class of the network count as that class.
Prints the table of docs/open_world.md, with 95 % intervals, and the confusions of both. About
three seconds of one core an image.
"""

import sys
from collections import Counter

import numpy as np

from stemfast import pretrained, simulate
from stemfast.evaluation.metrics import wilson_interval
from stemfast.fit.families.compare import compare_families
from stemfast.fit.families.shipped import FAMILIES, family_of
from stemfast.microscope import Microscope
from stemfast.orientation import random
from stemfast.studies.families.trial import drawn

SEED = 16
#: Class of the network for each family; bipyramids of other angles than a decahedron's are none.
CLASSES = {
    "cube": "cuboid",
    "cuboid": "cuboid",
    "truncated cube": "cuboid",
    "cuboctahedron": "truncated octahedron",
    "truncated octahedron": "truncated octahedron",
    "octahedron": "octahedron",
    "tetrahedron": "tetrahedron",
    "truncated tetrahedron": "tetrahedron",
    "decahedron": "decahedron",
    "icosahedron": "icosahedron",
    "hexagonal prism": "hexagonal plate",
    "triangular plate": "triangular plate",
    "rod": "rod",
    "sphere": "sphere",
    "ellipsoid": "ellipsoid",
}
COARSER, FEWER = 3, 20.0


def poorer(scope: Microscope) -> Microscope:
    """The same field with coarser pixels and fewer electrons in each."""
    scan = scope.scan
    shape = (scan.shape[0] // COARSER, scan.shape[1] // COARSER)
    coarse = scan.replace(shape=shape, pixel_size_nm=COARSER * scan.pixel_size_nm)
    beam = scope.beam.replace(current_pa=scope.beam.current_pa / FEWER)
    return scope.replace(scan=coarse, beam=beam)


def said(counts: Counter[tuple[str, str]]) -> str:
    """The most frequent confusions."""
    wrong = [(pair, n) for pair, n in counts.most_common() if pair[0] != pair[1]]
    return ", ".join(f"{true} → {name} {n}" for (true, name), n in wrong[:8]) or "none"


def main(n: int) -> None:
    network = pretrained.load_pretrained("open-shapes")
    rivals = [family_of(name) for name in FAMILIES]
    for quality, change in (("as in `count`", lambda scope: scope), ("poor", poorer)):
        seen: dict[str, Counter[tuple[str, str]]] = {"open-shapes": Counter(), "fit": Counter()}
        for name, true in CLASSES.items():
            family = family_of(name)
            for index in range(n):
                number = 1000 * index + list(FAMILIES).index(name)
                sizes, scope = drawn(family, SEED, number)
                scope = change(scope)
                pose = random(1, seed=SEED, first_index=number)
                image = simulate(family.particle(sizes), pose, scope, seed=SEED, first_index=number)
                seen["open-shapes"][true, network.predict(image).names[0]] += 1
                found = compare_families([image[0]], [scope], rivals).best.family.name
                seen["fit"][true, CLASSES.get(found, found)] += 1
        total = n * len(CLASSES)
        print(f"images {quality}\n| read by | right of {total} | 95 % interval |\n|---|---|---|")
        for who, counts in seen.items():
            right = sum(count for (true, name), count in counts.items() if true == name)
            low, high = np.multiply(100, wilson_interval(right, total))
            print(f"| {who} | {100 * right / total:.1f} % | {low:.1f} – {high:.1f} % |")
        for who, counts in seen.items():
            print(f"{who}: {said(counts)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
