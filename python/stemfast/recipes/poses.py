"""Poses and spins of particles in each view."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from stemfast import _core, draws, elementary
from stemfast.orientation import quaternion_product, rotate
from stemfast.particles.geometry.resting import resting_faces
from stemfast.particles.geometry.solid_arrays import Solids
from stemfast.recipes.distributions import Floats, Ints, Stage, between, isotropic, normal, numbered
from stemfast.recipes.exposure import Exposure
from stemfast.recipes.particles import ParticleSettings
from stemfast.recipes.settings import Group, NotNegative

__all__ = [
    "SeriesSettings",
    "draw_orientations",
    "draw_positions",
    "draw_spins",
    "image_indices",
    "resting_orientations",
]

Columns: TypeAlias = dict[str, NDArray[Any]]


class SeriesSettings(Group):
    """Relation between the views of a particle.

    Parameters
    ----------
    kind : "static" or "tilts"
        An independent pose in each view, as of many particles alike that lie anyhow; or one pose
        that the goniometer then tilts by known angles.
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
    series: SeriesSettings | None,
    seed: int,
    start: int,
    stop: int,
    views: int,
    *,
    particle: ParticleSettings,
    solids: Solids,
) -> tuple[Floats, Columns]:
    """Quaternions (N, K, 4) of scenes [start, stop), and the columns that tell of them.

    Parameters
    ----------
    series : SeriesSettings or None
        None for one view of each scene.
    seed, start, stop : int
    views : int
        K.
    particle : ParticleSettings
        Whether particles rest on their faces, and how evenly.
    solids : Solids
        The N particles; those of random poses are not looked at.
    """
    if series is None or series.kind == "static":
        return _poses(seed, start, stop, views, particle, solids)
    one, columns = _poses(seed, start, stop, 1, particle, solids)
    columns = {name: np.repeat(rests, views, axis=1) for name, rests in columns.items()}
    n = stop - start
    nominal = series.nominal_deg(views)
    tilts = np.repeat(nominal[None, :], n, axis=0)
    columns |= {"tilt_deg": tilts}
    if series.tilt_error_deg > 0.0:
        indices = image_indices(np.arange(start, stop), views)
        u = numbered(seed, indices, Stage.TILT, 2)
        error = series.tilt_error_deg * normal(next(u), next(u))
        tilts = tilts + error.reshape(n, views)
    sine, cosine = (float(x) for x in elementary.sin_cos_turns(series.tilt_axis_deg / 360.0))
    axis = np.array([cosine, sine, 0.0])
    columns |= {"true_tilt_deg": tilts, "tilt_axis": np.repeat(axis[None, :], n, axis=0)}
    return quaternion_product(rotate(axis, tilts / 360.0), one), columns


def _poses(
    seed: int, start: int, stop: int, views: int, particle: ParticleSettings, solids: Solids
) -> tuple[Floats, Columns]:
    """Independent poses (N, K, 4), and which of them rest, (N, K), where some do."""
    n = stop - start
    poses = _core.haar_orientations(seed, start * views, n * views).reshape(n, views, 4)
    if particle.pose == "random":
        return poses, {}
    indices = image_indices(np.arange(start, stop), views)
    u = draws.uniform(seed, indices, Stage.REST, 6).reshape(n, views, 6)
    at_rest = np.ones((n, views), bool) if particle.pose == "resting" else u[..., 5] < 0.5
    face = resting_faces(solids.table, solids.row).draw(u[..., 0])
    lying = resting_orientations(face, u[..., 1:5], particle.tilt_spread_deg)
    return np.where(at_rest[..., None], lying, poses), {"resting": at_rest}


def resting_orientations(face: Floats, u: Floats, tilt_spread_deg: float) -> Floats:
    """Quaternions (n, …, 4) of particles that lie with a face down the beam, turned and tilted.

    Parameters
    ----------
    face : (n, …, 3) float64
        Outward unit normal of the face, in the frame of the particle; it comes to point along z,
        to the film below.
    u : (n, …, 4) float64
        Uniform draws: turn about the beam, direction of the tilt's axis, and two for its size.
    tilt_spread_deg : float
        Standard deviation of the tilt [degrees].

    Examples
    --------
    >>> resting_orientations(np.array([[0.0, 0.0, 1.0]]), np.zeros((1, 4)), 0.0)
    array([[0., 0., 0., 1.]])
    """
    nx, ny, nz = (face[..., k] for k in range(3))
    # The shortest turn from n to z is about n × z, by half-angle quaternion (n × z, 1 + n · z).
    upside_down = 1.0 + nz < 1e-9
    zero = np.zeros_like(nx)
    down = np.stack([ny, -nx, zero, np.where(upside_down, 0.0, 1.0 + nz)], axis=-1)
    down = np.where(upside_down[..., None], np.array([1.0, 0.0, 0.0, 0.0]), down)
    beam = np.array([0.0, 0.0, 1.0])
    lying = quaternion_product(rotate(beam, u[..., 0]), down)
    if tilt_spread_deg == 0.0:
        return lying
    shape = u.shape[:-1]
    flat = (np.ascontiguousarray(u[..., k]).reshape(-1) for k in (2, 3))
    tilt = (tilt_spread_deg / 360.0) * normal(*flat).reshape(shape)
    sine, cosine = elementary.sin_cos_turns(np.ascontiguousarray(u[..., 1]))
    half_sine, half_cosine = elementary.sin_cos_turns(np.ascontiguousarray(0.5 * tilt))
    tilting = np.stack([cosine * half_sine, sine * half_sine, zero, half_cosine], axis=-1)
    return quaternion_product(tilting, lying)


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
