"""The finder's network evaluated by the core: no JAX to load, nothing to compile.

Maps are float32 (rows, channels, columns). `stemfast.models.finder.Finder` is the same network, and
the reference of the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.finding.network.pyramid import TileReading
from stemfast.models.finder_config import STRIDE, UNIT_PX, FinderConfig

__all__ = ["ForwardPass", "RayLengths"]

Map: TypeAlias = NDArray[np.float32]
Inputs: TypeAlias = Sequence[tuple[Map, str]]


class RayLengths:
    """Distances to the outline, worked out for the cells that are asked for.

    Parameters
    ----------
    logits : (rows, rays, columns) float32
    """

    def __init__(self, logits: Map) -> None:
        self._logits = logits

    def __getitem__(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Map:
        """Distances (n, rays) of n cells, by their rows and columns [px]."""
        row, column = cells
        logits = self._logits[row, :, column]
        return np.asarray(np.float32(UNIT_PX) * np.logaddexp(np.float32(0.0), logits))


class ForwardPass:
    """A finder's network as a function of one tile, on all cores.

    What it returns is valid until it is called again: arrays are used anew, as the system takes as
    long to hand out empty memory as the network to fill it.

    Parameters
    ----------
    config : FinderConfig
    weights : mapping of str to ndarray of float32
        Kernels and biases by dotted name, as :func:`stemfast.pretrained.finder.finder_weights`.
    n_threads : int
        0 for all cores.
    """

    def __init__(
        self, config: FinderConfig, weights: Mapping[str, Map], *, n_threads: int = 0
    ) -> None:
        self._levels, self._weights = len(config.widths), weights
        self._n_threads = n_threads
        self._free: list[Map] = []
        self._said: Map | None = None

    def __call__(self, tile: Map) -> TileReading:
        """Read a tile (H, W, 2), sides multiples of `FinderConfig.multiple`."""
        if self._said is not None:
            self._give_back(self._said)
        x = _as_cells(tile)
        seen: list[Map] = []
        for level in range(self._levels):
            x = self._block(f"down.{level}", [(x, "halved" if level else "same")])
            seen.append(x)
        for level, skip in enumerate(seen[-2::-1]):
            below, x = x, self._block(f"up.{level}", [(x, "doubled"), (skip, "same")])
            self._give_back(below, skip)
        head = self._layer([([(x, "same")], "head")])
        self._said = said = self._layer([([(head, "same")], "out")], rectified=False)
        self._give_back(x, head)
        middle, foreground, boundary = (_sigmoid(said[:, k]) for k in range(3))
        return TileReading(middle, RayLengths(said[:, 3:]), foreground, boundary)

    def _block(self, name: str, inputs: Inputs) -> Map:
        """Two convolutions with a way past them."""
        between = self._layer([(inputs, f"{name}.first")])
        out = self._layer([([(between, "same")], f"{name}.second"), (inputs, f"{name}.past")])
        self._give_back(between)
        return out

    def _layer(self, terms: Sequence[tuple[Inputs, str]], *, rectified: bool = True) -> Map:
        """Sum of the convolutions of these names, each of its inputs, and their biases."""
        bias = np.sum([self._weights[f"{name}.bias"] for _, name in terms], axis=0)
        (first, fit), *_ = terms[0][0]
        factor = {"same": 1.0, "halved": 0.5, "doubled": 2.0}[fit]
        out = self._empty((int(first.shape[0] * factor), len(bias), int(first.shape[2] * factor)))
        _core.convolve(
            [(list(inputs), self._weights[f"{name}.kernel"]) for inputs, name in terms],
            bias,
            out,
            rectified=rectified,
            n_threads=self._n_threads,
        )
        return out

    def _empty(self, shape: tuple[int, int, int]) -> Map:
        """An array of this shape, in the smallest memory that is free and large enough."""
        size = math.prod(shape)
        fitting = [k for k, one in enumerate(self._free) if one.size >= size]
        if fitting:
            memory = self._free.pop(min(fitting, key=lambda k: self._free[k].size))
        else:
            memory = np.empty(size, np.float32)
        return memory[:size].reshape(shape)

    def _give_back(self, *arrays: Map) -> None:
        self._free += [memory for one in arrays if (memory := one.base) is not None]


def _as_cells(tile: Map) -> Map:
    """Pixels (H, W, channels) as cells (H / 2, 4 · channels, W / 2)."""
    rows, columns, channels = tile.shape
    apart = tile.reshape(rows // STRIDE, STRIDE, columns // STRIDE, STRIDE, channels)
    turned = np.ascontiguousarray(apart.transpose(0, 1, 3, 4, 2))
    return turned.reshape(rows // STRIDE, -1, columns // STRIDE)


def _sigmoid(logit: Map) -> Map:
    share = np.negative(logit)
    with np.errstate(over="ignore"):  # to infinity, and its share to 0
        np.exp(share, out=share)
    share += np.float32(1.0)
    return np.reciprocal(share, out=share)
