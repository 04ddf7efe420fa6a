"""The third stage of a ground-truth network: what a known spin says, learnt from single images.

All that was learnt before stays as it is. Images of spinning particles are read once, and only what
the reader sees where corners can appear is kept (:mod:`stemfast.models.spin_head`). A few layers
learn from that which of the two hands fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from stemfast.dataset.streaming.stream import stream
from stemfast.models.corner_evidence import flips, log_mask_prior
from stemfast.models.flip_mix import CORNER_SIGNS
from stemfast.models.predict import compiled
from stemfast.models.spin_head import SpinEstimate, SpinSeen, appearances
from stemfast.models.view_reader import mask_bits
from stemfast.pretrained.store import rounded_to_float16
from stemfast.training.devices import ExecutionSettings
from stemfast.training.reconstruction.truth import spins_of, view_truth
from stemfast.training.run import loop
from stemfast.training.step import Seen, State, Step, optimised
from stemfast.training.task import Run

if TYPE_CHECKING:
    from stemfast.models.reconstructor import GroundTruthNetwork
    from stemfast.recipes import Recipe
    from stemfast.training.reconstruction.experiment import GroundTruthExperiment

__all__ = ["SpinImages", "SpinRun", "learn_spin", "read_spins", "spin_loss"]

PORTION = 256
#: Weights of the parts of the loss besides that of the hand.
MOVES, MASKS = 0.2, 0.2


class SpinImages(NamedTuple):
    """N images of spinning particles as they are learnt from; lengths in pixels.

    Attributes
    ----------
    seen : SpinSeen
        What the reader sees at the two places where each corner can appear.
    arrows : (N, 3, 2)
        As found, which number the corners.
    masks : (N, 256)
        Likelihoods of the reader.
    true_arrows : (N, 3, 2)
        Of a right-handed frame.
    true_places : (N, 8, 2)
        Where corners appear in truth, from the middle of the image.
    true_mask : (N,)
        Deformed corners.
    """

    seen: SpinSeen
    arrows: Any
    masks: Any
    true_arrows: Any
    true_places: Any
    true_mask: Any


@compiled
def _look(reader: Any, images: jax.Array, pixel: jax.Array, spin: jax.Array) -> Any:
    found = reader.look(images.astype(jnp.float32), pixel, spin=spin)
    added = found.spin[1].masks @ jnp.asarray(mask_bits()).T
    return found.spin[0], found.arrows, found.reading.masks - added


@jax.jit
def _places(half_edges: jax.Array, centre: jax.Array, spin: jax.Array, rows: int) -> jax.Array:
    corners = jnp.einsum("ca,nad->ncd", jnp.asarray(CORNER_SIGNS), half_edges)
    return centre[:, None] + appearances(corners, spin, rows, late=centre[:, 1])


def read_spins(
    recipe: Recipe, reader: Any, split: str, images: int, *, seed: int, n_threads: int = 0
) -> SpinImages:
    """Simulate and read so many single images of spinning particles.

    Parameters
    ----------
    recipe : Recipe
        Of cuboids with one view, spinning.
    reader : ViewReader
        What reads; it has the part for spins.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    images : int
        How many.
    seed : int
        Of the images.
    n_threads : int
        Threads of the simulation.
    """
    size, pixel = recipe.image_px, float(recipe.pixel_size_nm)
    parts: list[list[NDArray[Any]]] = []
    with stream(
        recipe,
        seed=seed,
        split=split,
        batch_size=PORTION,
        stop=-(-images // PORTION) * PORTION,
        n_threads=n_threads,
    ) as simulated:
        for one in simulated:
            truth = view_truth(one.columns, 1)
            spin = jnp.asarray(spins_of(recipe, one.columns)[:, 0], jnp.float32)
            seen, arrows, masks = _look(
                reader,
                jnp.asarray(one.images.reshape(-1, size, size, 1)),
                jnp.full(PORTION, pixel, jnp.float32),
                spin,
            )
            half_edges, centre = truth.half_edges[:, 0] / pixel, truth.centre[:, 0] / pixel
            places = _places(jnp.asarray(half_edges), jnp.asarray(centre), spin, size)
            floats = (*seen, arrows, masks, half_edges[..., :2], places)
            parts.append([*(np.asarray(x, np.float16) for x in floats), truth.mask])
    whole = [np.concatenate(x)[:images] for x in zip(*parts, strict=True)]
    count = len(SpinSeen._fields)
    seen_fields: Any = whole[:count]
    return SpinImages(SpinSeen(*seen_fields), *whole[count:])


def spin_loss(said: SpinEstimate, images: SpinImages) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean loss over N images, and its parts.

    The truth is numbered anew by the arrows as found, whichever signs those have.

    Returns
    -------
    loss : ()
        Weighted sum of the parts.
    parts : dict of str to ()
        "hand", the surprise at the hand of the frame; "moves", where corners are; "masks", the
        surprise at the deformed corners; "right" the share of images whose hand is right.
    """
    backward = (images.arrows * images.true_arrows).sum(axis=2) < 0
    flip = (backward * jnp.array([1, 2, 4])).sum(axis=1)
    is_right = backward.sum(axis=1) % 2 == 0
    surprise = jax.nn.softplus(jnp.where(is_right, -said.right, said.right))
    corner = jnp.arange(8)[None, :] ^ flip[:, None]
    places = jnp.take_along_axis(images.true_places, corner[..., None], axis=1)
    own = jnp.where(is_right, 0, 1)[:, None, None, None]
    at = jnp.take_along_axis(images.seen.places + said.moves, own, axis=1)[:, 0]
    # A corner far from where it is thought to be teaches nothing of its displacement.
    off = jnp.minimum(jnp.square(at - places).sum(axis=2), 16.0)
    target = jnp.asarray(flips())[flip, images.true_mask]
    masks = images.masks + said.masks @ jnp.asarray(mask_bits()).T + log_mask_prior()
    chances = jax.nn.log_softmax(masks)
    parts = {
        "hand": surprise.mean(),
        "moves": off.mean(),
        "masks": -jnp.take_along_axis(chances, target[:, None], axis=1).mean(),
    }
    loss = parts["hand"] + MOVES * parts["moves"] + MASKS * parts["masks"]
    return loss, parts | {"right": ((said.right > 0) == is_right).mean()}


def in_32_bits(images: SpinImages) -> SpinImages:
    """The same in the type that is computed with."""
    made: SpinImages = jax.tree.map(
        lambda x: x.astype(np.float32) if x.dtype == np.float16 else x, images
    )
    return made


@dataclass
class SpinRun(Run):
    """Third stage; its model is a :class:`stemfast.models.spin_head.SpinHead`.

    `reader` is the whole reader. Its images are read when they are first needed: a run that is
    resumed at its end needs none.
    """

    experiment: GroundTruthExperiment
    reader: Any = None

    def read(self, split: str, count: int) -> SpinImages:
        """Appearances read from so many images."""
        seed, threads = self.experiment.seed, self.n_threads
        return read_spins(self.recipe, self.reader, split, count, seed=seed, n_threads=threads)

    @property
    def metrics(self) -> Path:
        """Lines of the third stage."""
        return self.folder / "metrics-spin.jsonl"

    @property
    def checkpoints(self) -> Path:
        """States of the third stage."""
        return self.folder / "checkpoints-spin"

    def start(self, total_steps: int) -> tuple[State, Step]:
        """First state and step: what was seen, and the truth."""

        def loss_of(look: Any, number: jax.Array, images: SpinImages) -> tuple[jax.Array, Seen]:
            loss, parts = spin_loss(look(images.seen), images)
            right = jnp.round(parts["right"] * len(images.masks)).astype(jnp.int32)
            return loss, Seen(parts["hand"], loss - parts["hand"], right)

        state, step = optimised(self.model, self.experiment, total_steps, loss_of)
        return self.place(state), step

    def batches(self, first_step: int, steps: int) -> Iterator[tuple[Any, ...]]:
        """Random images, in an order that depends on the number of the step alone."""
        images = self.read("train", self.experiment.spin_images)
        for number in range(first_step, steps):
            rng = np.random.default_rng([self.experiment.seed, number])
            some = rng.integers(0, len(images.masks), self.experiment.batch_size)
            yield (jax.device_put(_some(images, some), self.sharding),)

    def watched(self) -> Any:
        """Held-out images."""
        count = min(4000, self.experiment.spin_images)
        held_out = self.read("validation", count)
        return [
            _some(held_out, np.arange(start, min(start + 250, count)))
            for start in range(0, count, 250)
        ]

    def watch(self, model: Any, watched: Any) -> dict[str, float]:
        """Parts of the loss, and the share of images whose hand is right."""
        found = [_parts(model, images) for images in watched]
        means = {name: float(np.mean([float(one[name]) for one in found])) for name in found[0]}
        return {
            "validation_accuracy": means.pop("right"),
            "validation_loss": means.pop("hand"),
        } | {f"validation_{name}": value for name, value in means.items()}


def _some(images: SpinImages, which: NDArray[np.intp]) -> SpinImages:
    return in_32_bits(jax.tree.map(lambda x: x[which], images))


@compiled
def _parts(model: Any, images: SpinImages) -> dict[str, jax.Array]:
    return spin_loss(model(images.seen), images)[1]


def learn_spin(
    experiment: GroundTruthExperiment,
    network: GroundTruthNetwork,
    execution: ExecutionSettings,
) -> float:
    """The third stage: give a network the part for known spins, and leave the rest as it is.

    Parameters
    ----------
    experiment : GroundTruthExperiment
        How many images, and how.
    network : GroundTruthNetwork
        Of two stages; changed in place.
    execution : ExecutionSettings
        How the run is carried out.

    Returns
    -------
    float
        The time it took [s].
    """
    reader: Any = network.encoder
    reader.learn_spin(rngs=nnx.Rngs(experiment.seed + 3))
    own = experiment.of_spins()
    run = SpinRun(
        experiment=own,
        recipe=own.make_recipe(),
        model=reader.spin_look,
        reader=reader,
        **execution.of_run(own.batch_size),
    )
    run.metrics.touch()
    state, seconds = loop(run)
    reader.spin_look = rounded_to_float16(run.averaged(state))
    # The set network leaves spins to the reader: a known one is no news to it.
    sets: Any = network.sets
    sets.spin.kernel.set_value(jnp.zeros_like(sets.spin.kernel[...]))
    sets.spin.bias.set_value(sets.unknown_spin[...])
    return seconds
