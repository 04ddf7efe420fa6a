"""Training run of one stage: its experiment, recipe, devices, step function and files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

from stemfast.dataset.streaming.batch import Batch
from stemfast.dataset.streaming.stream import stream
from stemfast.recipes import Recipe
from stemfast.training import log as metrics
from stemfast.training import processes
from stemfast.training.corners.points import corner_points
from stemfast.training.experiment import Experiment
from stemfast.training.step import State, Step, make_step

__all__ = ["CHECKPOINTS", "METRICS_FILE", "REPORT", "RUN_FILE", "WATCHED", "Run"]

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
#: Steps between two lines of metrics; between them no step waits for another.
REPORT = 50
#: Images watched during training; all validation images are used to calibrate, at the end.
WATCHED = 2000


@dataclass
class Run:
    """Experiment of a training run with its recipe, network, devices and folder."""

    experiment: Experiment
    recipe: Recipe
    model: Any
    folder: Path
    sharding: NamedSharding
    dtype: Any
    n_threads: int = 0
    checkpoint_s: float = 120.0
    tensorboard: bool = False
    record: dict[str, Any] = field(default_factory=dict)

    def start(self, total_steps: int) -> tuple[State, Step]:
        """First state, on all devices, and the step."""
        state, step = make_step(
            self.model,
            self.experiment,
            total_steps,
            corner_weight=self.experiment.corner_weight,
            dtype=self.dtype,
        )
        return self.place(state), step

    def place(self, state: State) -> State:
        """The state, copied to every device."""
        whole = NamedSharding(self.sharding.mesh, PartitionSpec())
        placed: State = jax.device_put(state, whole)
        return placed

    def batches(self, first_step: int, steps: int) -> Iterator[tuple[jax.Array, ...]]:
        """Arguments of the steps `first_step` … `steps` − 1, after the state."""
        size = self.experiment.batch_size
        own = processes.rows(self.sharding, size)
        with stream(
            self.recipe,
            seed=self.experiment.seed,
            batch_size=own.stop - own.start,
            start=first_step * size + own.start,
            stop=steps * size,
            stride=size,
            n_threads=self.n_threads,
        ) as simulated:
            for batch in simulated:
                yield self.arguments(batch.images, batch.labels, batch.columns)

    def arguments(
        self, images: NDArray[Any], labels: NDArray[np.int64], columns: dict[str, NDArray[Any]]
    ) -> tuple[jax.Array, ...]:
        """Images, labels and, where they are learnt from, corners, shared out over all devices.

        Parameters
        ----------
        images : (N, H, W) array
            Of the batch's rows that are this process's.
        labels : (N,) int64
        columns : dict of array
            What else the recipe says of each scene.
        """
        parts = [images[..., None], labels.astype(np.int32)]
        if self.experiment.corner_weight > 0:
            size, pixel = self.recipe.image_px, self.recipe.pixel_size_nm
            parts.append(corner_points(columns, image_px=size, pixel_size_nm=pixel))
        shared: tuple[jax.Array, ...] = processes.spread(tuple(parts), self.sharding)
        return shared

    def averaged(self, state: State) -> Any:
        """The network with the averaged weights of a state, on one device of this process."""

        def alone(leaf: jax.Array) -> jax.Array:
            own = leaf.addressable_data(0)
            if own.devices() != {jax.local_devices()[0]}:
                return own
            # Bound to no device, and placed by no program, as weights of a file: the same programs
            # read with either.
            placed: jax.Array = jax.device_put(np.array(own))
            return placed

        graph, _ = nnx.split(self.model)
        return nnx.merge(graph, jax.tree.map(alone, state.average))

    @property
    def judging(self) -> int:
        """Images that are read after the last step: to calibrate, to tell novel ones, to judge."""
        return 2 * self.experiment.validation_images + self.experiment.test_images

    @property
    def metrics(self) -> Path:
        """File of the lines of metrics."""
        return self.folder / METRICS_FILE

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / CHECKPOINTS

    def watched(self) -> Any:
        """Validation images that :meth:`watch` looks at again and again."""
        batch = self.first_validation()
        return batch.images, batch.labels

    def first_validation(self) -> Batch:
        """The first validation images, in one batch."""
        count = min(WATCHED, self.experiment.validation_images)
        settings = {"seed": self.experiment.seed, "batch_size": count, "stop": count}
        with stream(self.recipe, split="validation", n_threads=self.n_threads, **settings) as one:
            return next(one)

    def watch(self, model: Any, watched: Any) -> dict[str, float]:
        """Loss and accuracy of the averaged weights on the watched images."""
        return metrics.of_validation(model, *watched)
