"""Poses and spins of particles in each view."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stemfast import _core, elementary
from stemfast.orientation import quaternion_product, rotate
from stemfast.recipes.distributions import Floats, Ints, Stage, between, isotropic, normal, numbered
from stemfast.recipes.exposure import Exposure
from stemfast.recipes.settings import Group, NotNegative

__all__ = ["SeriesSettings", "draw_orientations", "draw_positions", "draw_spins", "image_indices"]

Columns: TypeAlias = dict[str, NDArray[Any]]


class SeriesSettings(Group):
    """Relation between the views of a particle.

    Parameters
    ----------
    kind : "static" or "tilts"
        Independent random poses in each view, as of many particles alike that lie anyhow; or one
        random pose that the goniometer then tilts by known angles.
    tilt_deg : (float, float)
        First and last tilt; those between are spread evenly, and a single view has 0 [degrees].
    tilt_axis_deg : float
        Direction of the goniometer's axis in the image, 0 along x (right), 90 along y (down)
        [degrees].
    tilt_error_deg : float
        Standard deviation of the true tilts about the nominal ones, normal [degrees].
    """

    kind: Literal["static", "tilts"] = "static"
    tilt_deg: tuple[float, float] = (-60.0, 60.0)
    tilt_axis_deg: float = Field(default=0.0, strict=True)
    tilt_error_deg: NotNegative = 0.0

    @model_validator(mode="after")
    def _tilts_rise(self) -> Self:
        if not -180.0 <= self.tilt_deg[0] < self.tilt_deg[1] <= 180.0:
            raise ValueError(
                f"expected tilt_deg as (first, last) with first < last, within -180 … 180, got "
                f"{self.tilt_deg}"
            )
        return self

    def nominal_deg(self, views: int) -> Floats:
        """The tilts (K,) of so many views [degrees].

        Examples
        --------
        >>> SeriesSettings().nominal_deg(5)
        array([-60., -30.,   0.,  30.,  60.])
        """
        if views == 1:
            return np.zeros(1)
        first, last = self.tilt_deg
        return np.asarray(first + (last - first) * (np.arange(views) / (views - 1)))


def image_indices(indices: Ints, views: int) -> Ints:
    """Indices (N·K,) of the images of scenes (N,): view k of scene i is image i·K + k."""
    return np.asarray(indices[:, None] * views + np.arange(views)).reshape(-1)


def draw_orientations(
    series: SeriesSettings | None, seed: int, start: int, stop: int, views: int
) -> tuple[Floats, Columns]:
    """Quaternions (N, K, 4) of scenes [start, stop), and the columns that tell of tilts."""
    n = stop - start
    if series is None or series.kind == "static":
        poses = _core.haar_orientations(seed, start * views, n * views)
        return poses.reshape(n, views, 4), {}
    poses = _core.haar_orientations(seed, start, n)
    nominal = series.nominal_deg(views)
    tilts = np.repeat(nominal[None, :], n, axis=0)
    columns = {"tilt_deg": tilts}
    if series.tilt_error_deg > 0.0:
        indices = image_indices(np.arange(start, stop), views)
        u = numbered(seed, indices, Stage.TILT, 2)
        error = series.tilt_error_deg * normal(next(u), next(u))
        tilts = tilts + error.reshape(n, views)
    sine, cosine = (float(x) for x in elementary.sin_cos_turns(series.tilt_axis_deg / 360.0))
    axis = np.array([cosine, sine, 0.0])
    columns |= {"true_tilt_deg": tilts, "tilt_axis": np.repeat(axis[None, :], n, axis=0)}
    return quaternion_product(rotate(axis, tilts / 360.0), poses[:, None, :]), columns


def draw_positions(
    shift_nm: float, seed: int, indices: Ints, views: int, reach_nm: Floats, exposure: Exposure
) -> Floats:
    """Positions (N, K, 3) at which particles with that bounding radius stay in the field [nm]."""
    u = numbered(seed, image_indices(indices, views), Stage.POSITION, 2)
    field = exposure.image_px * exposure.pixel_size_nm
    room = 0.5 * field - reach_nm - exposure.drift_reach_nm
    reach = np.repeat(np.minimum(np.maximum(room, 0.0), shift_nm), views)
    x, y = ((2.0 * next(u) - 1.0) * reach for _ in "xy")
    return np.stack([x, y, np.zeros_like(x)], axis=1).reshape(len(indices), views, 3)


def draw_spins(seed: int, indices: Ints, views: int, exposure: Exposure) -> Floats:
    """Angular velocities (N, K, 3) of spinning particles [rad/s]."""
    u = numbered(seed, image_indices(indices, views), Stage.SPIN, 3)
    turn = between(exposure.settings.turn_deg, next(u)) * (np.pi / 180.0)
    rate = turn / np.repeat(exposure.frame_s, views)
    axes = isotropic(next(u), next(u))
    if exposure.settings.turn_axis != "isotropic":
        axes = np.eye(3)["xyz".index(exposure.settings.turn_axis)][None, :]
    return (rate[:, None] * axes).reshape(len(indices), views, 3)
