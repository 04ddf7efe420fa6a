"""One call of the simulator as the core took it, kept to ask the core what else is true of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.simulation.batch import Batch, Float
from stemfast.simulation.motion import part_of_scan, truth_of_scan

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Acquisition:
    """A batch of images, the frames of each in a row, and all that the core needs to take them.

    Attributes
    ----------
    batch : Batch
        What is seen.
    depth_weights : (n,) float64
        Weight of each placed body in Σ t/Λ [1/nm].
    scan : dict
        How each image is scanned: what `_core.Scanning` takes.
    recording : dict
        How each image is recorded: columns of `_core.simulate`.
    run : dict
        Engine and number of threads.
    field : (int, int)
        Rows and columns of an image.
    seed, first_index : int
        Random numbers.
    frames : int
        Frames of each image.
    """

    batch: Batch
    depth_weights: Float
    scan: dict[str, Any]
    recording: dict[str, Any]
    run: dict[str, Any]
    field: tuple[int, int]
    seed: int
    first_index: int
    frames: int

    @property
    def n_series(self) -> int:
        """Number of images, all frames of one together."""
        return self.batch.n_images // self.frames

    def part(self, image: int) -> Acquisition:
        """Return what one image of the series, with all its frames, needs."""
        first, last = image * self.frames, (image + 1) * self.frames
        bodies = slice(self.batch.image_offset[first], self.batch.image_offset[last])
        return replace(
            self,
            batch=replace(self.batch.part(first, last), single=True),
            depth_weights=self.depth_weights[bodies],
            scan=part_of_scan(self.scan, first, last),
            recording={name: column[first:last].copy() for name, column in self.recording.items()},
            first_index=self.first_index + image,
        )

    def record(self, out: NDArray[Any]) -> None:
        """Take the images, (images, rows, columns) in the detector's dtype."""
        self._record(out, expected=False)

    def thickness(self, of_material: NDArray[np.bool_], out: Float32) -> None:
        """Write the thickness of some materials alone, (images, rows, columns) [nm]."""
        weights = self.batch.weight * of_material[self.batch.material]
        scenes, scanning = self.batch.scenes(weights), _core.Scanning(**self.scan)
        _core.thickness(scenes, scanning, out, **self.run, **self._key)

    def expected_electrons(self, out: Float32) -> None:
        """Write the mean number of electrons in each pixel, (images, rows, columns)."""
        self._record(out, expected=True)

    def film_depth(self, out: Float32) -> None:
        """Write the film's thickness in mean free paths, (images, rows, columns)."""
        # With no particles, no blur and one electron a pixel, what is left of the chain is
        # 1 − exp(−t/Λ) of the film that these very images have. A column of 0 leaves a stage out,
        # a curve of 0 plural scattering.
        bare = {name: np.zeros_like(column) for name, column in self.recording.items()}
        bare["slabs"] = self.recording["slabs"]
        bare |= {"film": self.recording["film"], "electrons": np.ones(self.batch.n_images)}
        _core.simulate(
            self.batch.scenes(np.zeros_like(self.depth_weights)),
            _core.Scanning(**self.scan),
            out,
            **bare,
            **self.run,
            **self._key,
            expected=True,
        )
        np.negative(np.log1p(np.negative(out, out=out), out=out), out=out)

    def path(self) -> tuple[Float, Float, Float]:
        """Return when, where and how turned: time [s], beam (x, y) [nm] and turn (x, y, z, w).

        Each has the axes images, rows and columns before its own.
        """
        n = self.batch.n_images
        time = np.empty((n, *self.field))
        beam, turn = np.empty((*time.shape, 2)), np.empty((*time.shape, 4))
        scenes = self.batch.scenes(self.depth_weights)
        scanning = _core.Scanning(**self.scan)
        for i in range(n):
            truth = truth_of_scan(scenes, scanning, i, self.field, **self._key)
            time[i], beam[i], turn[i] = truth["time_s"], truth["beam_nm"], truth["turn"]
        return time, beam, turn

    @property
    def _key(self) -> dict[str, Any]:
        return {"seed": self.seed, "first_index": self.first_index, "frames": self.frames}

    def _record(self, out: NDArray[Any], *, expected: bool) -> None:
        scenes, scanning = self.batch.scenes(self.depth_weights), _core.Scanning(**self.scan)
        _core.simulate(
            scenes, scanning, out, **self.recording, **self.run, **self._key, expected=expected
        )
