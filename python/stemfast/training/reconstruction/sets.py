"""Readings of the images of many particles, kept to learn from and to judge with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.dataset.streaming.stream import stream
from stemfast.models.predict import compiled
from stemfast.models.reconstructor import Views
from stemfast.models.view_reader import ViewReading
from stemfast.training.reconstruction.loss import Targets
from stemfast.training.reconstruction.truth import spins_of, view_truth

if TYPE_CHECKING:
    from stemfast.recipes import Recipe
    from stemfast.training.reconstruction.experiment import GroundTruthExperiment

__all__ = [
    "ReadSets",
    "batch_of",
    "joined",
    "load_sets",
    "read_recipe",
    "read_sets",
    "save_sets",
    "some_of",
    "views_of",
]

PORTION = 256


@dataclass(frozen=True, eq=False)
class ReadSets:
    """Readings (P, K, …) of P particles, the turns of their views, and the truth.

    Attributes
    ----------
    reading : ViewReading
        NumPy arrays.
    turn : (P, K, 3, 3) float32
        Rotation of each view.
    tilted : (P,) bool
        Whether the views are a tilt series, whose turns relative to each other can be known.
    pixel_size_nm : float
        Of all images.
    truth : Targets
        The truth.
    spin : (P, K, 3) float32
        Rotation vector during the frame of each view that the reading was told of [rad].
    spun : (P,) bool
        Whether it was told.
    """

    reading: ViewReading
    turn: NDArray[np.float32]
    tilted: NDArray[np.bool_]
    pixel_size_nm: float
    truth: Targets
    spin: NDArray[np.float32]
    spun: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tilted)

    @property
    def views(self) -> int:
        """Images of each particle."""
        return int(self.turn.shape[1])


def _each(kind: Any, entries: Any) -> Any:
    """A tuple of arrays of this kind."""
    return kind(*entries)


def joined(parts: list[ReadSets]) -> ReadSets:
    """Sets one after the other."""

    def all_of(entries: list[Any]) -> NDArray[Any]:
        return np.concatenate(entries)

    return ReadSets(
        _each(
            ViewReading, (all_of(list(x)) for x in zip(*(p.reading for p in parts), strict=True))
        ),
        all_of([p.turn for p in parts]),
        all_of([p.tilted for p in parts]),
        parts[0].pixel_size_nm,
        _each(Targets, (all_of(list(x)) for x in zip(*(p.truth for p in parts), strict=True))),
        all_of([p.spin for p in parts]),
        all_of([p.spun for p in parts]),
    )


@compiled
def _read(reader: Any, images: jax.Array, pixel: jax.Array, spin: jax.Array | None) -> ViewReading:
    reading: ViewReading = reader.read(images.astype(jnp.float32), pixel, spin)
    return reading


def as_they_are(spin: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spins are known as they are."""
    return spin


def read_recipe(
    recipe: Recipe,
    reader: Any,
    split: str,
    particles: int,
    *,
    seed: int,
    believed: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = as_they_are,
    n_threads: int = 0,
) -> ReadSets:
    """Simulate and read so many particles of a recipe.

    Parameters
    ----------
    recipe : Recipe
        Of cuboids, with any number of views.
    reader : ViewReader
        What reads.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    particles : int
        How many.
    seed : int
        Of the images.
    believed : callable, optional
        Spins (P, K, 3) [rad] that the reader is told, where particles spin; none if None.
    n_threads : int
        Threads of the simulation.
    """
    views, size, pixel = recipe.views, recipe.image_px, float(recipe.pixel_size_nm)
    batch = max(1, PORTION // views)
    told = recipe.spin and believed is not None
    readings, truths, spins = [], [], []
    with stream(
        recipe,
        seed=seed,
        split=split,
        batch_size=batch,
        stop=-(-particles // batch) * batch,
        n_threads=n_threads,
    ) as simulated:
        for one in simulated:
            images = one.images.reshape(-1, size, size, 1)
            spin = spins_of(recipe, one.columns)
            if told:
                assert believed is not None
                spin = believed(spin)
            found = _read(
                reader,
                jnp.asarray(images),
                jnp.full(len(images), pixel, jnp.float32),
                jnp.asarray(spin.reshape(-1, 3)) if told else None,
            )
            spins.append(spin if told else np.zeros_like(spin))
            readings.append([np.asarray(x).reshape(batch, views, *x.shape[1:]) for x in found])
            truths.append(view_truth(one.columns, views))
    whole = [Targets(*(t.whole)) for t in truths]
    series = recipe.series_settings
    tilted = series is not None and series.kind == "tilts"
    return ReadSets(
        _each(ViewReading, (np.concatenate(x)[:particles] for x in zip(*readings, strict=True))),
        np.concatenate([t.turn for t in truths])[:particles],
        np.full(particles, tilted),
        pixel,
        _each(Targets, (np.concatenate(x)[:particles] for x in zip(*whole, strict=True))),
        np.concatenate(spins)[:particles],
        np.full(particles, told),
    )


def read_sets(
    experiment: GroundTruthExperiment,
    reader: Any,
    split: str,
    particles: int,
    *,
    seed: int,
    n_threads: int = 0,
) -> ReadSets:
    """Half of the particles at independent poses, half tilted about an axis along x."""
    half = max(1, particles // 2)
    return joined(
        [
            read_recipe(
                experiment.views_recipe(experiment.set_views, kind=kind),
                reader,
                split,
                half,
                # Other particles than those of the other half, which has the same seed and split.
                seed=seed + number,
                n_threads=n_threads,
            )
            for number, kind in enumerate(("static", "tilts"))
        ]
    )


def _about_beam(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations (B, 3, 3) about the beam."""
    c, s, o = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    return np.stack([c, -s, o, s, c, o, o, o, o + 1], axis=1).reshape(-1, 3, 3)


def save_sets(path: Path, sets: ReadSets) -> None:
    """Keep readings in a file, in 16 bits."""
    content: dict[str, Any] = {
        f"reading.{name}": x.astype(np.float16) for name, x in sets.reading._asdict().items()
    }
    content |= {f"truth.{name}": x for name, x in sets.truth._asdict().items()}
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            turn=sets.turn,
            tilted=sets.tilted,
            pixel_size_nm=sets.pixel_size_nm,
            spin=sets.spin,
            spun=sets.spun,
            **content,
        )


def load_sets(path: Path) -> ReadSets:
    """Readings that :func:`save_sets` kept."""
    with np.load(path) as content:
        shape = content["turn"].shape[:2]
        # Files of earlier versions hold particles at rest and know nothing of a hand.
        nothing = {"reading.right": np.zeros(shape), "spin": np.zeros((*shape, 3), np.float32)}
        nothing |= {"spun": np.zeros(shape[0], bool)}
        kept = {name: content.get(name, x) for name, x in nothing.items()}
        reading = {
            name: (kept if name == "right" else content)[f"reading.{name}"].astype(np.float32)
            for name in ViewReading._fields
        }
        truth = {name: content[f"truth.{name}"] for name in Targets._fields}
        return ReadSets(
            ViewReading(**reading),
            content["turn"],
            content["tilted"],
            float(content["pixel_size_nm"]),
            Targets(**truth),
            kept["spin"],
            kept["spun"],
        )


def some_of(
    sets: ReadSets,
    particles: NDArray[np.intp],
    *,
    which: NDArray[np.intp] | None = None,
    known: bool = True,
    turn: NDArray[np.float32] | None = None,
) -> tuple[ViewReading, Views, Targets]:
    """Some particles as the set network takes them.

    Parameters
    ----------
    sets : ReadSets
        Where from.
    particles : (B,) int
        Which.
    which : (K,) int, optional
        Which of their views; all if not given.
    known : bool
        Whether the turns of tilted views are known.
    turn : (P, K, 3, 3), optional
        Turns to believe instead of the true ones.
    """
    turns = (sets.turn if turn is None else turn)[particles]
    turns = turns @ np.swapaxes(turns[:, :1], 2, 3)
    there = np.ones(turns.shape[:2], bool)
    if which is not None:
        # The others count as padding, so that one shape is compiled for all numbers of views.
        there[:] = np.isin(np.arange(sets.views), which)
    knows = there & (sets.tilted[particles] & known)[:, None]
    reading = _each(ViewReading, (x[particles] for x in sets.reading))
    truth = _each(Targets, (x[particles] for x in sets.truth))
    made = views_of(turns, there, knows, sets.pixel_size_nm)
    return reading, _spinning(made, sets.spin[particles], sets.spun[particles]), truth


def _spinning(views: Views, spin: Any, spun: Any) -> Views:
    """The same views with spins (B, K, 3) where they are known (B,)."""
    known: Any = spun[:, None] & views.there
    vectors: Any = np.where(known[..., None], spin, np.float32(0.0))
    return views._replace(spin=vectors, spin_known=known)


def views_of(turn: Any, there: Any, known: Any, pixel_size_nm: float) -> Views:
    """Views whose images were read already; no spin is known."""
    shape = there.shape
    return _each(  # type: ignore[no-any-return]
        Views,
        (
            np.zeros((*shape, 0, 0), np.float32),
            there,
            np.full(shape, pixel_size_nm, np.float32),
            np.where(known[..., None, None], turn, 0.0).astype(np.float32),
            np.array(known),
            np.zeros((*shape, 3), np.float32),
            np.zeros(shape, bool),
        ),
    )


def batch_of(
    sets: ReadSets, size: int, rng: np.random.Generator
) -> tuple[ViewReading, Views, Targets]:
    """Random particles, each with a random number of its views, turns hidden or known."""
    particles = rng.integers(0, len(sets), size)
    order = np.argsort(rng.random((size, sets.views)), axis=1)
    reading = _each(
        ViewReading,
        (
            np.take_along_axis(x[particles], order.reshape(*order.shape, *[1] * (x.ndim - 2)), 1)
            for x in sets.reading
        ),
    )
    turn = np.take_along_axis(sets.turn[particles], order[..., None, None], 1)
    turn = turn @ np.swapaxes(turn[:, :1], 2, 3)
    # Turned about the beam, a tilt axis may point anywhere in the image.
    beam = _about_beam(rng.uniform(0, 2 * np.pi, size))[:, None]
    turn = (beam @ turn @ np.swapaxes(beam, 2, 3)).astype(np.float32)
    spin = np.take_along_axis(sets.spin[particles], order[..., None], 1)
    arrows = reading.arrows @ np.swapaxes(beam[..., :2, :2], 2, 3)
    reading = reading._replace(arrows=arrows.astype(np.float32))
    most = np.minimum(2.0 ** rng.uniform(0, np.log2(sets.views) + 1e-9, size), sets.views)
    there = np.arange(sets.views)[None, :] < np.round(most)[:, None]
    known = (sets.tilted[particles] & (rng.random(size) < 0.8))[:, None] & np.ones_like(there)
    truth = _each(Targets, (x[particles] for x in sets.truth))
    views = views_of(turn, there, known, sets.pixel_size_nm)
    return reading, _spinning(views, spin, sets.spun[particles]), truth
