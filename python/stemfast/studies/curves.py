"""Accuracy against one condition of the images: dose, depth of the cuts, turn in the scan.

Every point of a curve is judged on the same scenes, the first of the test split: the same
particles in the same poses on the same films, with only that one condition changed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfast import atomic
from stemfast.evaluation.judge import fits, judge

if TYPE_CHECKING:
    from stemfast.pretrained.classifier import TrainedClassifier
    from stemfast.recipes import Recipe

__all__ = ["AXES", "Axis", "Curve", "Point", "curve", "write"]

FORMAT = "stemfast curve 1"


@dataclass(frozen=True)
class Axis:
    """A condition that a curve is drawn against.

    Attributes
    ----------
    name : str
        What ``stemfast evaluate --against`` calls it.
    key : str
        The setting of the recipe that takes the value, as (value, value).
    label : str
        In words, with its unit.
    at : tuple of float
        Values, unless others are asked for.
    logarithmic : bool
        Whether the picture's axis is.
    also : dict of str to float
        Other settings of the recipe that are changed, where it has them, so that the condition is
        the only thing that changes along the curve.
    spin : bool
        Whether the particles have to turn.
    """

    name: str
    key: str
    label: str
    at: tuple[float, ...]
    logarithmic: bool = False
    also: dict[str, float] = field(default_factory=dict)
    spin: bool = False


#: By name.
AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis(
            "dose",
            "imaging.signal_e_px",
            "dose [e⁻/px]",
            (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            logarithmic=True,
            # At a low dose this would cut corners deeper, and hide what the dose does.
            also={"particle.least_visibility": 0.0},
        ),
        Axis(
            "severity",
            "particle.severity",
            "depth of the cuts, share of each edge",
            (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
            # The depth of displaced corners is another setting.
            also={"particle.least_visibility": 0.0, "particle.displaced_share": 0.0},
        ),
        Axis(
            "turn",
            "imaging.turn_deg",
            "turn during the scan [°]",
            (0, 2, 5, 10, 15, 20, 30, 45, 60),
            spin=True,
        ),
    )
}


@dataclass(frozen=True)
class Point:
    """Accuracy at one value of the condition.

    Attributes
    ----------
    value : float
        Of the condition.
    accuracy : float
        Share of images right.
    interval : (float, float)
        Its 95 % interval (Wilson).
    balanced_accuracy : float
        Mean over classes of the share right.
    within_one : float or None
        Share at most one off, where classes are numbers.
    """

    value: float
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    within_one: float | None


@dataclass(frozen=True)
class Curve:
    """Accuracy of a network along one condition.

    Attributes
    ----------
    axis : Axis
        The condition.
    points : tuple of Point
        In ascending order of its values.
    task : str
        Name of the recipe.
    trained : (float, float) or None
        Range of the condition that the network learnt from; None if unknown.
    chance : float
        Accuracy of guessing.
    images : int
        For each point.
    seed : int
        Of the scenes.
    recipe : dict
        Settings of all points, but for the condition.
    seconds : float
        It took [s].
    """

    axis: Axis
    points: tuple[Point, ...]
    task: str
    trained: tuple[float, float] | None
    chance: float
    images: int
    seed: int
    recipe: dict[str, Any]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The same, of plain Python types for JSON."""
        return {
            "format": FORMAT,
            "task": self.task,
            "against": self.axis.name,
            "setting": self.axis.key,
            "label": self.axis.label,
            "trained_range": None if self.trained is None else list(self.trained),
            "chance": self.chance,
            "images_per_point": self.images,
            "seed": self.seed,
            "seconds": self.seconds,
            "points": [
                {**asdict(point), "interval": list(point.interval)} for point in self.points
            ],
            "recipe": self.recipe,
        }


def curve(
    trained: TrainedClassifier,
    recipe: Recipe,
    against: str,
    *,
    at: Sequence[float] | None = None,
    images: int = 2000,
    seed: int = 0,
    keep: Collection[str] = (),
    n_threads: int = 0,
    say: Callable[[Point], None] | None = None,
) -> Curve:
    """Judge a network at several values of one condition.

    Parameters
    ----------
    trained : TrainedClassifier
        The network.
    recipe : Recipe
        Where images and labels come from.
    against : {"dose", "severity", "turn"}
        The condition; see :data:`AXES`.
    at : sequence of float, optional
        Its values; the axis has its own.
    images : int
        For each value, at least one of each class.
    seed : int
        Of the scenes, which are those of the test split.
    keep : collection of str
        Settings to leave as the recipe has them, although the axis would change them too.
    n_threads : int
        Threads of the simulation, 0 for all cores.
    say : callable, optional
        Called with each point when it is there.

    Raises
    ------
    ValueError
        If there is no such condition, the recipe does not have it or not that value, or the
        network reads other images; before any work.
    """
    if against not in AXES:
        raise ValueError(f"against is {against!r}, expected one of {', '.join(AXES)}")
    axis = AXES[against]
    values = _values(axis.at if at is None else at)
    base = _changed(recipe, {k: v for k, v in axis.also.items() if k not in keep}, optional=True)
    if axis.spin and not base.spin:
        base = base.replace(spin=True)
    chosen = [_changed(base, {axis.key: [value, value]}) for value in values]
    fits(trained, recipe)
    if images < len(recipe.class_names):
        raise ValueError(
            f"images is {images}, expected at least {len(recipe.class_names)}, one of each class"
        )
    points, began = [], time.perf_counter()
    for value, one in zip(values, chosen, strict=True):
        found = judge(trained, one, seed=seed, images=images, n_threads=n_threads)
        judged = found.evaluation
        points.append(
            Point(
                value=value,
                accuracy=judged.accuracy,
                interval=judged.accuracy_interval,
                balanced_accuracy=judged.balanced_accuracy,
                within_one=found.within_one,
            )
        )
        if say is not None:
            say(points[-1])
    return Curve(
        axis=axis,
        points=tuple(points),
        task=recipe.name,
        trained=_trained_range(trained.card.get("recipe"), axis),
        chance=1.0 / len(recipe.class_names),
        images=images,
        seed=seed,
        recipe=base.model_dump(mode="json"),
        seconds=time.perf_counter() - began,
    )


def _values(at: Sequence[float]) -> list[float]:
    values = sorted({float(value) for value in at})
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"at is {list(at)}, expected at least one finite number")
    return values


def _changed(recipe: Recipe, settings: dict[str, Any], *, optional: bool = False) -> Recipe:
    """A recipe with settings changed by dotted name; optionally only those that it has."""
    for key, value in settings.items():
        group, _, name = key.partition(".")
        if not hasattr(getattr(recipe, group, None), name):
            if optional:
                continue
            raise ValueError(f"recipe {recipe.name} has no {key}: there is nothing to vary")
        recipe = recipe.replace(**{group: {name: value}})
    return recipe


def _trained_range(recipe: dict[str, Any] | None, axis: Axis) -> tuple[float, float] | None:
    """Values of a condition that a network saw, by its card's recipe."""
    if recipe is None:
        return None
    if axis.spin and not recipe["spin"]:
        return (0.0, 0.0)
    group, _, name = axis.key.partition(".")
    found = recipe[group].get(name)
    return None if found is None else (float(found[0]), float(found[1]))


def write(folder: Path, found: Curve, *, more: dict[str, Any] | None = None) -> list[Path]:
    """Write ``curve-CONDITION.json`` and, if matplotlib is there, the picture beside it.

    Parameters
    ----------
    folder : Path
        Made if missing.
    found : Curve
        What to show.
    more : dict, optional
        What else to put into the JSON.

    Returns
    -------
    list of Path
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"curve-{found.axis.name}.json"
    atomic.write_json(table, {**found.to_dict(), **(more or {})})
    try:
        from stemfast.studies import curve_pictures
    except ImportError:
        return [table]
    picture = table.with_suffix(".png")
    curve_pictures.draw([found.to_dict()], picture)
    return [table, picture]
