"""The network proposes: what it says of the particle, as starts for the fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import stemfast
from stemfast.fit.proposal import Proposal, placed
from stemfast.reconstruction.prepare import View
from stemfast.simulation.motion import MOST_SPIN_DEG

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["Proposal", "ask", "placed"]

Float: TypeAlias = NDArray[np.float64]

NAME = "ground-truth"
# Diameter of the shadows of the particles that it learnt from, 11 to 18 nm on pixels of 0.25 nm.
_ACROSS_PX = (50.0, 80.0)


def ask(
    views: Sequence[View],
    turns: Rotation | None,
    spins_deg_px: Sequence[Float | None] | None = None,
) -> Proposal | None:
    """Ask the network that comes with the package; None where there is none.

    It is left out where JAX is not installed, too.

    Parameters
    ----------
    views : sequence of K View
    turns : Rotation or None
        How the particle was turned between them.
    spins_deg_px : sequence of K (3,) float64 or None, optional
        How far it turns from one row of a view to the next [degrees].
    """
    network = _load()
    if network is None:
        return None
    own_nm = _pixel_nm(network)
    scale_nm = _scale_nm(views, own_nm)
    # What is as large as what it learnt from, it reads best; a particle twice as large, imaged on
    # pixels twice as large, has the same corners.
    answer = network.predict(
        np.stack([_fitted(view, network.image_shape, scale_nm) for view in views]),
        own_nm,
        turns=turns,
        spin=_spins(views, spins_deg_px, network, scale_nm),
    )
    return Proposal(
        int(answer.mask),
        np.asarray(answer.severity, np.float64),
        np.asarray(answer.share, np.float64),
    )


def _spins(
    views: Sequence[View],
    spins_deg_px: Sequence[Float | None] | None,
    network: Any,
    scale_nm: float,
) -> list[Float | None] | None:
    """The spins during as many rows as the network is shown, where it can use them."""
    told = spins_deg_px is not None and any(one is not None for one in spins_deg_px)
    if spins_deg_px is None or not told or not network.knows_spin:
        return None
    spins: list[Float | None] = []
    for view, spin in zip(views, spins_deg_px, strict=True):
        rows = network.image_shape[0] * scale_nm / view.pixel_size_nm
        usable = spin is not None and np.linalg.norm(spin) * rows <= MOST_SPIN_DEG
        spins.append(spin * rows if spin is not None and usable else None)
    return spins


@cache
def _load() -> Any:
    """The network, loaded once, or None, where JAX, which takes seconds to load, is left alone."""
    if not (Path(stemfast.__file__).parent / "weights" / NAME).is_dir():
        return None
    try:
        from stemfast.pretrained.shipped import load_pretrained

        return load_pretrained(NAME)
    except ModuleNotFoundError:
        return None


def _pixel_nm(network: Any) -> float:
    """Pixel size of the images that it learnt from [nm]."""
    recipe = network.card["recipe"]
    return float(recipe["field_nm"]) / float(recipe["image_px"])


def _scale_nm(views: Sequence[View], own_nm: float) -> float:
    """Pixel size [nm] at which the particle is as many pixels large as those it learnt from.

    That of the images where they have one and it will do.
    """
    across_nm = float(np.mean([2.0 * np.sqrt(view.area_nm2 / np.pi) for view in views]))
    sizes = [view.pixel_size_nm for view in views]
    low, high = _ACROSS_PX
    same = max(sizes) < 1.01 * min(sizes)
    if same and low <= across_nm / sizes[0] <= high:
        return sizes[0]
    return across_nm / float(np.sqrt(low * high))


def _fitted(view: View, shape: tuple[int, int], scale_nm: float) -> Float:
    """The view at the network's size and this size of pixels [nm], the particle in the middle."""
    from scipy import ndimage

    zoom = view.pixel_size_nm / scale_nm
    image, film = view.image, view.image[_far(view)]
    if zoom < 1.0:
        image = ndimage.gaussian_filter(image, 0.5 * np.sqrt(zoom**-2 - 1.0))
    at = [np.flatnonzero(view.particle.any(axis=1 - axis)) for axis in (0, 1)]
    middle = [0.5 * (int(along[0]) + int(along[-1])) for along in at]
    # On film as far as the network looks.
    reach = [math.ceil(0.5 * n / zoom) + 2 for n in shape]
    first = [round(m) - r for m, r in zip(middle, reach, strict=True)]
    draw = np.random.default_rng(1)
    size = tuple(2 * r + 1 for r in reach)
    whole = draw.choice(film, size=size) if film.size else np.full(size, image.min())
    there = [
        slice(max(0, -f), min(s, n - f)) for f, s, n in zip(first, size, view.shape, strict=True)
    ]
    here = [
        slice(max(0, f), min(n, f + s)) for f, s, n in zip(first, size, view.shape, strict=True)
    ]
    whole[tuple(there)] = image[tuple(here)]
    if zoom == 1.0:
        start = [(s - n) // 2 for s, n in zip(size, shape, strict=True)]
        return whole[start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]]
    offset = [r - 0.5 * (n - 1) / zoom for r, n in zip(reach, shape, strict=True)]
    return np.asarray(
        ndimage.affine_transform(whole, [1.0 / zoom] * 2, offset, output_shape=shape, order=1)
    )


def _far(view: View) -> NDArray[np.bool_]:
    from scipy import ndimage

    return np.asarray(~ndimage.binary_dilation(view.particle, iterations=3))
