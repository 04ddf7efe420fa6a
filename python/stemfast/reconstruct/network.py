"""The network proposes: what it says of the particle, as starts for the fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import stemfast
from stemfast.fit import CutCuboid
from stemfast.reconstruct.axes import sorted_axes
from stemfast.reconstruct.prepare import View
from stemfast.symmetry import cuboid_symmetry

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["Proposal", "ask", "placed"]

Float: TypeAlias = NDArray[np.float64]

NAME = "ground-truth"


@dataclass(frozen=True, eq=False)
class Proposal:
    """What the network says.

    Attributes
    ----------
    mask : int
        Deformed corners in the axes of the sorted edges, longest along x.
    severity : (8,) float64
        Of each, in the same axes.
    share : (K,) float64
        How much each image had to say.
    """

    mask: int
    severity: Float
    share: Float


def ask(views: Sequence[View], turns: Rotation | None) -> Proposal | None:
    """Ask the network that comes with the package; None where there is none.

    It is left out where JAX is not installed, too.
    """
    network = _load()
    if network is None:
        return None
    fitted = [_fitted(view, network.image_shape) for view in views]
    answer = network.predict(
        np.stack([image for image, _ in fitted]),
        np.array([size for _, size in fitted]),
        turns=turns,
    )
    return Proposal(
        int(answer.mask),
        np.asarray(answer.severity, np.float64),
        np.asarray(answer.share, np.float64),
    )


def _load() -> Any:
    """The network, or None. JAX takes seconds to load and is left alone where there is none."""
    if not (Path(stemfast.__file__).parent / "weights" / NAME).is_dir():
        return None
    try:
        from stemfast.training.pretrained import load_pretrained

        return load_pretrained(NAME)
    except ModuleNotFoundError:
        return None


def placed(proposal: Proposal, shapes: Sequence[CutCuboid]) -> list[tuple[CutCuboid, ...]]:
    """The network's corners on a particle whose poses are known: every way to lay them.

    The network knows its corners up to half turns of the cuboid, and up to a mirror image where
    poses were not known to it.

    Parameters
    ----------
    proposal : Proposal
    shapes : sequence of K CutCuboid
        The particle in each view.
    """
    symmetry = cuboid_symmetry((3.0, 2.0, 1.0), tolerance_nm=0.0)
    sorted_shapes = sorted_axes(shapes)
    found: dict[int, tuple[CutCuboid, ...]] = {}
    for permutation in symmetry.permutations:
        cuts = np.zeros(8)
        for corner in range(8):
            if proposal.mask >> corner & 1:
                cuts[permutation[corner]] = float(np.clip(proposal.severity[corner], 0.1, 0.5))
        laid = tuple(replace(shape, cuts=cuts) for shape in sorted_shapes)
        found.setdefault(laid[0].mask, laid)
    return list(found.values())


def _fitted(view: View, shape: tuple[int, int]) -> tuple[Float, float]:
    """The view at the network's size, film around it, and the size of its pixels [nm]."""
    factor = max(1, *(-(-n // m) for n, m in zip(view.shape, shape, strict=True)))
    image = view.image
    if factor > 1:
        rows, columns = (n // factor for n in view.shape)
        image = image[: rows * factor, : columns * factor]
        image = image.reshape(rows, factor, columns, factor).sum(axis=(1, 3))
    film = image[_far(view, factor, image.shape)]
    draw = np.random.default_rng(1)
    whole = draw.choice(film, size=shape) if film.size else np.full(shape, image.min())
    first = [(m - n) // 2 for m, n in zip(shape, image.shape, strict=True)]
    rows, columns = image.shape
    whole[first[0] : first[0] + rows, first[1] : first[1] + columns] = image
    return whole, view.pixel_size_nm * factor


def _far(view: View, factor: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    from scipy import ndimage

    clear = ~ndimage.binary_dilation(view.particle, iterations=3)
    rows, columns = shape
    part = clear[: rows * factor, : columns * factor]
    return np.asarray(part.reshape(rows, factor, columns, factor).all(axis=(1, 3)))
