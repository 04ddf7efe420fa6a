"""Training run of a classifier that finds corners, which learns their places as well."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from stemfast.models import CornerClassifier
from stemfast.models.config import READER_PX
from stemfast.models.corner_classifier import HARDLY
from stemfast.symmetry.corner_questions import any_order, log_prior
from stemfast.training import processes
from stemfast.training.corners.points import corner_points, point_loss
from stemfast.training.reconstruction.reader_loss import (
    ReaderTruth,
    first_look,
    reader_loss,
    reader_truth,
    reordered,
)
from stemfast.training.step import Seen, State, Step, optimised
from stemfast.training.task import Run

__all__ = ["CornerRun"]

#: First share of the steps in which some images are looked at about where their corners truly are.
SHOWN = 0.2


class CornerRun(Run):
    """A run whose model is a :class:`stemfast.models.CornerClassifier`."""

    def start(self, total_steps: int) -> tuple[State, Step]:
        """First state and step: images, labels, the truth of the reader and corner points."""
        model: CornerClassifier = self.model
        key, map_weight = jax.random.key(self.experiment.seed), self.experiment.corner_weight
        free = any_order(model.question)
        # All classes are alike.
        chance = np.logaddexp.reduce(log_prior(model.question), axis=1)
        prior = np.maximum(chance, HARDLY).astype(np.float32)

        def loss_of(
            network: CornerClassifier,
            number: jax.Array,
            images: jax.Array,
            labels: jax.Array,
            truth: ReaderTruth,
            points: jax.Array,
        ) -> tuple[jax.Array, Seen]:
            count = len(images)
            shown = first_look(truth, jax.random.fold_in(key, number), number < SHOWN * total_steps)
            features, found = network.look(
                images.astype(jnp.float32), shown=shown, dtype=self.dtype
            )
            logits = network.head(features)
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
            own = reordered(truth, found.arrows) if free else truth
            taught, _ = reader_loss(found, own, jnp.ones(count), prior=prior)
            maps = [point_loss(one, points, READER_PX, READER_PX) for one in found.maps]
            more = taught + map_weight * jnp.stack(maps).mean()
            right = jnp.sum(jnp.argmax(logits, axis=1) == labels)
            return loss + more, Seen(loss, more, right)

        state, step = optimised(model, self.experiment, total_steps, loss_of)
        return self.place(state), step

    def arguments(
        self, images: NDArray[Any], labels: NDArray[np.int64], columns: dict[str, NDArray[Any]]
    ) -> tuple[Any, ...]:
        """Images, labels, the reader's truth and corner points, shared out over all devices."""
        # The reader works in binned pixels, inside a margin that keeps the middle in its place.
        pixel = self.recipe.pixel_size_nm * self.model.config.binning
        parts = (
            images[..., None],
            labels.astype(np.int32),
            reader_truth(columns, pixel),
            corner_points(columns, image_px=READER_PX, pixel_size_nm=pixel),
        )
        shared: tuple[Any, ...] = processes.spread(parts, self.sharding)
        return shared
