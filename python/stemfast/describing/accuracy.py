"""Error of a description against the simulator's ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemfast.describing.description import Description
from stemfast.finding.outline.corners import signed_area
from stemfast.finding.outline.measure import feret

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.particles import Particle

__all__ = ["Comparison", "Score", "compare", "score"]

Floats = NDArray[np.float64]

_SEEN_PX = 1.0
_DEEP_PX = 3.0
_HIT_PX = 3.0


@dataclass(frozen=True, eq=False)
class Comparison:
    """One description against one polyhedron.

    Attributes
    ----------
    vertex_px : ndarray, shape (n,)
        Distance of each true corner of the outline from the nearest found one [px].
    n_true, n_found : int
        Corners of the outline. A true one counts if the outline would move by 1 px without it.
    area, max_feret, volume : float
        Found over true, minus 1; volume is NaN if the description has none.
    n_deep, n_deep_found : int
        Projected corners at least 3 px within the outline, and how many of them were found to 3 px.
    n_interior, n_interior_right : int
        Interior corners found, and how many lie within 3 px of a projected corner.
    interior_px : ndarray
        How far those of `n_deep_found` lie from the truth [px].
    """

    vertex_px: Floats
    n_true: int
    n_found: int
    area: float
    max_feret: float
    volume: float
    n_deep: int
    n_deep_found: int
    n_interior: int
    n_interior_right: int
    interior_px: Floats


def compare(
    one: Description,
    particle: Particle,
    orientation: Rotation,
    position_nm: Sequence[float] = (0.0, 0.0, 0.0),
) -> Comparison:
    """Compare a description with the convex polyhedron that the image shows.

    Parameters
    ----------
    one : Description
    particle : Particle
        A convex polyhedron.
    orientation : Rotation
    position_nm : sequence of float
        x, y, z of the particle's origin [nm].

    Returns
    -------
    Comparison

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> from stemfast.describing import describe
    >>> cube, pose = sf.Cuboid(edges=(18, 18, 18)), Rotation.from_euler("xy", [0.6, 0.5])
    >>> seen = compare(describe(sf.simulate(cube, pose, seed=1), 0.35), cube, pose)
    >>> seen.n_true, seen.n_found, bool(np.median(seen.vertex_px) < 0.5)
    (6, 6, True)
    """
    from scipy.spatial import ConvexHull

    size = one.pixel_size_nm
    shadow = orientation.apply(np.asarray(particle.vertices))[:, :2] + np.asarray(position_nm)[:2]
    hull = ConvexHull(shadow)
    outline = shadow[hull.vertices]
    depth = -(hull.equations[:, :2] @ shadow.T + hull.equations[:, 2:]).max(axis=0) / size
    deep = shadow[depth > _DEEP_PX]
    within = np.delete(shadow, hull.vertices, axis=0)
    visible = _visible(outline / size)
    to_vertex = _nearest(visible, one.outline_nm / size)
    to_deep = _nearest(deep / size, one.interior_nm / size)
    from_found = _nearest(one.interior_nm / size, within / size)
    volume = np.nan if one.volume_nm3 is None else one.volume_nm3 / particle.volume - 1.0
    return Comparison(
        vertex_px=to_vertex,
        n_true=len(visible),
        n_found=one.n_vertices,
        area=one.area_nm2 / abs(signed_area(outline)) - 1.0,
        max_feret=one.max_feret_nm / feret(outline)[1] - 1.0,
        volume=volume,
        n_deep=len(deep),
        n_deep_found=int(np.count_nonzero(to_deep < _HIT_PX)),
        n_interior=len(one.interior_nm),
        n_interior_right=int(np.count_nonzero(from_found < _HIT_PX)),
        interior_px=to_deep[to_deep < _HIT_PX],
    )


@dataclass(frozen=True)
class Score:
    """Many comparisons in a few numbers.

    Attributes
    ----------
    vertex_median_px, vertex_90_px : float
        Median and 90th percentile of the outline corners' errors [px].
    vertices_right : float
        Share of the images with as many corners of the outline as there are.
    area, max_feret, volume : (float, float)
        Mean and standard deviation of the relative errors.
    recall, precision : float
        Share of the deep corners that were found, share of the found interior corners that are one.
    interior_median_px : float
        Median error of those found [px].
    """

    vertex_median_px: float
    vertex_90_px: float
    vertices_right: float
    area: tuple[float, float]
    max_feret: tuple[float, float]
    volume: tuple[float, float]
    recall: float
    precision: float
    interior_median_px: float


def score(compared: Sequence[Comparison]) -> Score:
    """Sum many comparisons up."""
    vertex = np.concatenate([c.vertex_px for c in compared])
    interior = np.concatenate([c.interior_px for c in compared])

    def spread(values: list[float]) -> tuple[float, float]:
        return float(np.mean(values)), float(np.std(values))

    def share(part: int, whole: int) -> float:
        return part / whole if whole else float("nan")

    return Score(
        vertex_median_px=float(np.median(vertex)),
        vertex_90_px=float(np.quantile(vertex, 0.9)),
        vertices_right=float(np.mean([c.n_true == c.n_found for c in compared])),
        area=spread([c.area for c in compared]),
        max_feret=spread([c.max_feret for c in compared]),
        volume=spread([c.volume for c in compared]),
        recall=share(sum(c.n_deep_found for c in compared), sum(c.n_deep for c in compared)),
        precision=share(
            sum(c.n_interior_right for c in compared), sum(c.n_interior for c in compared)
        ),
        interior_median_px=float(np.median(interior)) if len(interior) else float("nan"),
    )


def _visible(outline: Floats) -> Floats:
    """The outline [px] without corners that would hardly be missed, flattest first."""
    while len(outline) > 3:
        before, after = np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0)
        chord = after - before
        off = outline - before
        height = np.abs(chord[:, 0] * off[:, 1] - chord[:, 1] * off[:, 0]) / np.hypot(*chord.T)
        k = int(np.argmin(height))
        if height[k] >= _SEEN_PX:
            break
        outline = np.delete(outline, k, axis=0)
    return outline


def _nearest(places: Floats, others: Floats) -> Floats:
    """Distance of each place from the nearest of the others, infinite if there are none."""
    if not len(others):
        return np.full(len(places), np.inf)
    apart = places[:, None] - others[None]
    nearest: Floats = np.hypot(apart[..., 0], apart[..., 1]).min(axis=1)
    return nearest
