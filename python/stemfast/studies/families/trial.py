"""Trial of the comparison of families on simulated particles of all of them, in `standard`.

The microscope is that of a scene of the recipe `count`, whose particle is replaced by a random
member of a family. The fit knows the microscope; poses are unknown, or those of a goniometer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.families.compare import FamilyComparison, compare_families
from stemfast.fit.families.measures import measured
from stemfast.fit.families.shape_family import ShapeFamily
from stemfast.fit.families.shipped import FAMILIES, family_of
from stemfast.fit.one_thread import one_thread
from stemfast.fit.turns import Turns
from stemfast.microscope import Microscope
from stemfast.studies.record import Record

__all__ = ["TASKS", "FamilyReading", "drawn", "read_families"]

Float: TypeAlias = NDArray[np.float64]

#: Readings by name: number of images, and whether the tilts between them are known.
TASKS = {
    "1 image": (1, False),
    "2 images": (2, False),
    "4 images": (4, False),
    "8 images": (8, False),
    "4 tilts": (4, True),
}
_TILTS_DEG = (-45.0, -15.0, 15.0, 45.0)
_LEAST, _LEAST_AXIS = 0.25, 0.6  # of the largest parameter; of axes and edges
_SHARE = (0.2, 0.3)  # ∛volume over the field
_INNER = (0.4, 0.85)  # size of a core or void over that of the particle
_DIGITS = 6


@dataclass(frozen=True)
class FamilyReading:
    """One particle read.

    Attributes
    ----------
    index : int
    family, task : str
    answer : str
        Most likely family.
    probability : float
        Of that.
    true_probability : float
        Of the true family.
    explained : bool
    off, sd : dict of str to float
        Errors and error bars of the sizes as shares of ∛volume, and of volumes and facet areas as
        shares of these, of the fit of the true family; empty where it came into no question.
    seconds : float
        Time on one core [s].
    """

    index: int
    family: str
    task: str
    answer: str
    probability: float
    true_probability: float
    explained: bool
    off: dict[str, float]
    sd: dict[str, float]
    seconds: float

    @property
    def key(self) -> tuple[int, str, str]:
        """Key of the reading within a record."""
        return self.index, self.family, self.task

    @property
    def right(self) -> bool:
        """True if the family was told, and explains the images."""
        return self.explained and self.answer == self.family


def drawn(family: ShapeFamily, seed: int, index: int) -> tuple[Float, Microscope]:
    """Sizes of a random member, and the microscope that looks at it.

    Examples
    --------
    >>> sizes, scope = drawn(family_of("octahedron"), 0, 3)
    >>> size = np.cbrt(family_of("octahedron").measures(sizes)["volume"])
    >>> bool(0.19 < size / (scope.scan.shape[0] * scope.scan.pixel_size_nm) < 0.31)
    True
    """
    from stemfast import recipes

    scenes = recipes.get("count").sample(seed, index, index + 1)
    scope = scenes.microscope(0)
    rng = np.random.default_rng([seed, index, 18])
    free = len(family.relabellings) > len(family.group)
    sizes = rng.uniform(_LEAST_AXIS if free else _LEAST, 1.0, family.outer.n)
    field = min(scope.scan.shape) * scope.scan.pixel_size_nm
    wanted = field * rng.uniform(*_SHARE)
    if family.outer is not family:
        sizes = np.append(sizes, sizes.sum() * rng.uniform(*_INNER))
    return sizes * wanted / np.cbrt(family.measures(sizes)["volume"]), scope


def read_families(
    names: Sequence[str],
    tasks: Sequence[str],
    n: int,
    *,
    seed: int = 0,
    path: str | Path,
    rivals: Sequence[str] | None = None,
    report: Callable[[FamilyReading, int], None] | None = None,
) -> list[FamilyReading]:
    """Read n particles of each family, and record each in a file; what is there is not done again.

    Parameters
    ----------
    names : sequence of str
        Families that particles are drawn from.
    tasks : sequence of str
        Of `TASKS`.
    n : int
        Particles of each family.
    seed : int
    path : str or Path
        JSON lines, one for each particle and task.
    rivals : sequence of str, optional
        Families that are compared; all without it.
    report : callable, optional
        Called as ``report(reading, done)`` after each.

    Raises
    ------
    ValueError
        If there is no such family or task, or the file is no record of this seed and these rivals.
    """
    for task in tasks:
        if task not in TASKS:
            raise ValueError(f"tasks: got {task!r}, expected some of {', '.join(TASKS)}")
    compared = [family_of(name) for name in (rivals or FAMILIES)]
    for name in names:
        family_of(name)
    record = Record(Path(path), "study families", FamilyReading)
    known = record.resume({"seed": seed, "rivals": None if rivals is None else list(rivals)})
    found = []
    for index in range(n):
        for name in names:
            for task in tasks:
                key = (index, name, task)
                if key not in known:
                    known[key] = _read(family_of(name), task, seed, index, compared)
                    record.append(known[key])
                found.append(known[key])
                if report is not None:
                    report(known[key], len(found))
    return found


@one_thread
def _read(
    family: ShapeFamily, task: str, seed: int, index: int, rivals: list[ShapeFamily]
) -> FamilyReading:
    from stemfast.orientation import random
    from stemfast.simulation.simulate import simulate

    views, tilted = TASKS[task]
    # A particle with a core stands like the same one without.
    number = 1000 * index + list(FAMILIES).index(family.outer.name)
    sizes, scope = drawn(family, seed, number)
    poses = random(views, seed=seed, first_index=16 * number)
    turns = None
    if tilted:
        axis = float(np.random.default_rng([seed, number]).uniform(0.0, 180.0))
        turns = Turns.about_axis(_TILTS_DEG, axis_deg=axis)
        poses = turns.rotations * poses[0]
    images = simulate(family.particle(sizes), poses, scope, seed=seed, first_index=16 * number)
    began = time.process_time()
    found = compare_families(list(images), [scope] * views, rivals, turns=turns)
    spent = time.process_time() - began
    off, sd = _errors(found, family, sizes)
    return FamilyReading(
        index,
        family.name,
        task,
        found.best.family.name,
        round(found.probability[found.best.family.name], _DIGITS),
        round(found.probability.get(family.name, 0.0), _DIGITS),
        found.explained,
        off,
        sd,
        round(spent, 2),
    )


def _errors(
    found: FamilyComparison, family: ShapeFamily, sizes: Float
) -> tuple[dict[str, float], dict[str, float]]:
    """Errors of a fit of the true family, and its error bars, relative."""
    if family.name not in found.fits:
        return {}, {}
    fit = found.fits[family.name]
    truth = family.measures(sizes)
    size = float(np.cbrt(truth["volume"]))
    # The axes of a cuboid may have other names.
    orders = [order for _, order in family.relabellings]
    order = min(orders, key=lambda one: float(np.abs(fit.sizes_nm[one] - sizes).max()))
    errors = (fit.sizes_nm[order] - sizes) / size
    bars = np.sqrt(fit.covariance.diagonal())[order] / size
    names = family.outer.parameters
    off = dict(zip(names, errors.tolist(), strict=False))
    sd = dict(zip(names, bars.tolist(), strict=False))
    measures = measured(family, fit.sizes_nm, fit.covariance)
    pairs = {"volume": measures.volume_nm3, **measures.areas_nm2}
    # Inner sizes as shares of ∛volume, volumes of core and shell as shares of these.
    truth |= family.inside(sizes)
    inside = measured(family, fit.sizes_nm[order], fit.covariance[np.ix_(order, order)]).inside
    for name, (value, error) in inside.items():
        over = truth[name] if name.endswith("volume") else size
        off[name], sd[name] = (value - truth[name]) / over, error / over
    for name, (value, error) in pairs.items():
        if truth.get(name, 0.0) > 0:
            off[name] = value / truth[name] - 1.0
            sd[name] = error / truth[name]
    return (
        {name: round(value, _DIGITS + 2) for name, value in off.items()},
        {name: round(value, _DIGITS + 2) for name, value in sd.items()},
    )
