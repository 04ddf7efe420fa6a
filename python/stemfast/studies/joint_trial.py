"""Trial of joint fits on the test particles of `ground-truth`, next to the network.

The particles, and the images of them, are those that ``stemfast evaluate ground-truth`` judges the
network by. The fit knows the microscope and the recipe's ranges; poses are unknown, or those of a
goniometer that is off by half a degree; or the particle spins during each scan, as is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.cuboid.spinning import row_turns
from stemfast.fit.decide import decide
from stemfast.fit.image.likelihood import observe
from stemfast.fit.prior import prior_of
from stemfast.fit.proposal import Proposal
from stemfast.fit.refine import Refined, refine
from stemfast.fit.search import count_prior
from stemfast.fit.turns import Turns
from stemfast.studies.joint_answer import Estimate, TrueParticle, of_fit, of_network, orbits
from stemfast.studies.record import Record, SetReading
from stemfast.studies.trials.reading import read_each

if TYPE_CHECKING:
    from stemfast.pretrained.reconstructor import TrainedReconstructor
    from stemfast.recipes import Recipe
    from stemfast.recipes.scenes import Scenes

__all__ = ["TILT_SD_DEG", "chosen_views", "read_sets"]

Float: TypeAlias = NDArray[np.float64]
#: A network's answer, or None, and how long it took [s].
Asked: TypeAlias = tuple[Any, float]

#: What each tilt that is told is off by, normal, and what the fit is told that it may be.
TILT_SD_DEG = 0.5
_USUAL, _MOST = 8, 16  # views of the test particles: 16 where more than 8 are asked for
_DIGITS = 5
_ROOM = 1.12


def chosen_views(kind: str, views: int, count: int) -> list[int]:
    """Views of a particle that are read: the first, or, of tilts, some evenly apart.

    Examples
    --------
    >>> chosen_views("static", 8, 2), chosen_views("tilts", 8, 4), chosen_views("tilts", 8, 1)
    ([0, 1], [0, 2, 5, 7], [4])
    """
    if kind == "static":
        return list(range(count))
    if count == 1:
        return [views // 2]
    return [round(step * (views - 1) / (count - 1)) for step in range(count)]


def read_sets(
    recipe: Recipe,
    n: int = 100,
    views: Sequence[int] = (1, 2, 4, 8),
    *,
    seed: int = 0,
    network: TrainedReconstructor | None = None,
    path: str | Path | None = None,
    report: Callable[[SetReading, int], None] | None = None,
    dask: str | None = None,
) -> tuple[SetReading, ...]:
    """Read several images of each of n test particles.

    Parameters
    ----------
    recipe : Recipe
        ``ground-truth``, static, tilts or spinning; its number of views does not matter.
    n : int
        Particles, from the first of the test split on.
    views : sequence of int
        Numbers of images, 1 … 16.
    seed : int
        Of the scenes.
    network : TrainedReconstructor, optional
        What is to be asked as well; the fit tries the corners that it names.
    path : str or Path, optional
        File of JSON lines, one for each particle and number of images, after one that says of what.
        What is there already is not done again.
    report : callable, optional
        Called as ``report(reading, done)`` for each.
    dask : str, optional
        Address of a Dask scheduler, or ``"local:N"`` for N processes on this machine, for the fits.

    Raises
    ------
    ValueError
        If there is no model for the recipe, numbers are impossible, or the file is of another run.
    """
    from stemfast.arguments import index as whole_number
    from stemfast.arguments import seed_value
    from stemfast.dataset.splits import first_index

    check_sets_recipe(recipe)
    seed, total = seed_value(seed), whole_number("n", n, minimum=1)
    numbers = [whole_number("views", count, minimum=1, maximum=_MOST) for count in views]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"views is {list(views)}, expected different numbers from 1 to {_MOST}")
    recipes = {count: recipe.replace(views=_of(count)) for count in numbers}
    told = recipe.model_dump(mode="json")
    settings = {
        "task": recipe.name,
        "seed": seed,
        "network": network is not None,
        "recipe": {name: value for name, value in told.items() if name != "views"},
    }
    record = None if path is None else Record(Path(path), "refine ground-truth", SetReading)
    done = {} if record is None else record.resume(settings)
    first = first_index("test")

    def arguments(key: int) -> tuple[Any, ...]:
        i, count = key >> 5, key & 31
        scenes = recipes[count].sample(seed, i, i + 1)
        return recipe, recipes[count], seed, i, count, _asked(network, recipe, scenes, count)

    return read_each(
        _read,
        [(i << 5) + count for i in range(first, first + total) for count in numbers],
        arguments,
        done=done,
        record=record,
        report=report,
        dask=dask,
    )


def _of(count: int) -> int:
    return _USUAL if count <= _USUAL else _MOST


def check_sets_recipe(recipe: Recipe) -> None:
    """Refuse what there is no model for."""
    if recipe.name != "ground-truth":
        raise ValueError(f"recipe is {recipe.name!r}, expected 'ground-truth'")
    share = recipe.particle.displaced_share  # type: ignore[attr-defined]
    if share > 0:
        raise ValueError(
            f"particle.displaced_share is {share:g}: the fit is of cut corners, expected "
            "--set particle.displaced_share=0"
        )


class _Seen(NamedTuple):
    """Views of a particle, their images and microscopes, and the turns and spins that are told."""

    which: list[int]
    images: NDArray[Any]
    microscopes: list[Any]
    turns: Turns | None
    spins: list[Float] | None


def _seen(recipe: Recipe, scenes: Scenes, count: int) -> _Seen:
    series = recipe.series_settings
    kind = "static" if series is None else series.kind
    which = chosen_views(kind, scenes.views, count)
    images = scenes.simulate(n_threads=1).reshape(-1, *scenes.microscope(0).scan.shape)[which]
    microscopes = [scenes.microscope(0, view) for view in which]
    turns = _told(scenes, which) if kind == "tilts" and count > 1 else None
    return _Seen(which, images, microscopes, turns, _spins(scenes, which))


def _asked(
    network: TrainedReconstructor | None, recipe: Recipe, scenes: Scenes, count: int
) -> Asked:
    """The network's answer, None without one, and how long it took [s]."""
    if network is None:
        return None, 0.0
    _, images, _, turns, spins = _seen(recipe, scenes, count)
    begun = time.process_time()
    answer = network.predict(
        images,
        recipe.pixel_size_nm,
        turns=None if turns is None else turns.rotations,
        spin=spins,
    )
    return answer, time.process_time() - begun


def _read(recipe: Recipe, drawn: Recipe, seed: int, i: int, count: int, asked: Asked) -> SetReading:
    """Read `count` of the images of particle i by the fit, which also tries what a network said."""
    scenes = drawn.sample(seed, i, i + 1)
    which, images, microscopes, turns, spins = _seen(recipe, scenes, count)
    (answer, network_seconds), proposal = asked, None
    if answer is not None:
        proposal = Proposal(answer.mask, answer.severity, answer.share)
    begun = time.process_time()
    decision = decide(
        list(images),
        microscopes,
        material=scenes.materials[0].decode(),
        prior=prior_of(recipe),
        turns=turns,
        turned=_turned(spins, scenes, count),
        proposal=proposal,
    )
    seconds, found = time.process_time() - begun, decision.comparisons[0]
    shapes = [
        CutCuboid.of(scenes.particle(0), scenes.orientation(0, view), scenes.positions_nm[0, view])
        for view in which
    ]
    mirror = turns is None and spins is None
    truth, estimate = TrueParticle.of(shapes[0]), of_fit(found)
    own = orbits()
    folded = own.class_index(own.classes, mirror=True)
    label = int(folded[truth.orbit]) if mirror else truth.orbit
    right = (estimate.orbit_up_to_mirror if mirror else estimate.orbit) == label
    worst = min(found.best.goodness, key=lambda good: good.p_value)
    return SetReading(
        index=scenes.start,
        label=label,
        answer=estimate.orbit_up_to_mirror if mirror else estimate.orbit,
        probability=(round(_chance(estimate, mirror), _DIGITS),),
        views=count,
        truth={
            "count": int(np.count_nonzero(truth.cuts)),
            "orbit": truth.orbit,
            "orbit_up_to_mirror": int(folded[truth.orbit]),
        },
        network={} if answer is None else _told_of(of_network(answer), truth, mirror),
        fit=_told_of(estimate, truth, mirror),
        misfit=round(max(good.misfit for good in found.best.goodness), _DIGITS),
        p_value=worst.p_value,
        missed=None
        if right
        else _missed(
            images, microscopes, shapes, recipe, turns, _turned(spins, scenes, count), found.best
        ),
        fits=found.n_fits,
        seconds=round(seconds, 3),
        network_seconds=round(network_seconds, 3),
    )


def _chance(estimate: Estimate, mirror: bool) -> float:
    own = orbits()
    if not mirror:
        return float(estimate.chance[estimate.orbit])
    folded = own.class_index(own.classes, mirror=True)
    return float(estimate.chance[folded == estimate.orbit_up_to_mirror].sum())


def _told(scenes: Scenes, which: list[int]) -> Turns:
    """The turns that a goniometer would tell: each is off by `TILT_SD_DEG` about its axis."""
    from scipy.spatial.transform import Rotation

    axis = np.asarray(scenes.columns["tilt_axis"][0], np.float64)
    rng = np.random.default_rng([scenes.seed, scenes.start, scenes.views])
    off = TILT_SD_DEG * rng.standard_normal(scenes.views)[which]
    poses = Rotation.from_quat(scenes.orientations[0, which])
    wrong = Rotation.from_rotvec(np.radians(off)[:, None] * axis)
    return Turns(wrong * poses * poses[0].inv(), TILT_SD_DEG, axis)


def _spins(scenes: Scenes, which: list[int]) -> list[Float] | None:
    """Turn of the particle during each frame, as rotation vectors [degrees]."""
    if scenes.spin_rad_s is None:
        return None
    scan = scenes.microscope(0).scan
    rows, columns = scan.shape
    # Of all rows and as many fly-backs, as `row_turns` shares it out.
    frame_s = 1e-6 * rows * (columns * scan.dwell_us + scan.flyback_us)
    return list(np.degrees(scenes.spin_rad_s[0, which]) * frame_s)


def _turned(spins: list[Float] | None, scenes: Scenes, count: int) -> list[Float | None]:
    if spins is None:
        return [None] * count
    return [row_turns(spin, scenes.microscope(0).scan.shape[0]) for spin in spins]


def _told_of(estimate: Estimate, truth: TrueParticle, mirror: bool) -> dict[str, Any]:
    """An answer against the truth, fit for JSON."""
    off_cuts, sd_cuts = estimate.off_cuts(truth, mirror=mirror)
    edges = estimate.edges_nm - truth.edges_nm
    volume = estimate.volume_nm3 - truth.volume_nm3
    return {
        "count": estimate.count,
        "orbit": estimate.orbit,
        "orbit_up_to_mirror": estimate.orbit_up_to_mirror,
        "hand": None if mirror else estimate.handedness_is_that_of(truth),
        "edges_off": _rounded(edges / truth.edges_nm),
        "edges_z": _rounded(edges / estimate.edges_sd_nm),
        "volume_off": round(volume / truth.volume_nm3, _DIGITS),
        "volume_z": round(volume / estimate.volume_sd_nm3, _DIGITS),
        "cuts_off": _rounded(off_cuts),
        "cuts_z": _rounded(off_cuts / np.maximum(sd_cuts, 1e-12)),
    }


def _rounded(values: Float) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]


def _missed(
    images: NDArray[Any],
    microscopes: list[Any],
    truth: list[CutCuboid],
    recipe: Recipe,
    turns: Turns | None,
    turned: Sequence[Float | None],
    best: Refined,
) -> float:
    """By how much the truth, fitted, is more probable than what was found."""
    prior, weights = prior_of(recipe), count_prior()
    seen = [
        observe(image, scope, replace(shape, edges_nm=_ROOM * shape.edges_nm), turned=rows)
        for image, scope, shape, rows in zip(images, microscopes, truth, turned, strict=True)
    ]
    value = [
        fit.log_evidence + float(weights[fit.mask])
        for fit in (refine(seen, start, prior=prior, turns=turns) for start in (truth, best.shapes))
    ]
    return round(value[0] - value[1], 2)
