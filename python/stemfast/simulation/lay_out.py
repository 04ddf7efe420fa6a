"""Batches from particles, specimens, orientations and positions.

Everything about these that can be wrong is found here, before any work starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.arguments import require_memory, vectors
from stemfast.orientation import quaternions
from stemfast.particles import Particle
from stemfast.particles.arguments import MaterialLike
from stemfast.particles.geometry.body import Body, EllipsoidBody
from stemfast.particles.geometry.body_table import BodyTable, offsets_of
from stemfast.particles.specimen import Specimen
from stemfast.simulation.batch import Batch, Float, Int, Poses, Shown, composed, multiplied, rotated
from stemfast.simulation.columns import Remembered

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

_NO_TURN = (0.0, 0.0, 0.0, 1.0)
_BODY_BYTES = 300  # of a body in an image, while its pose is found


def lay_out(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None,
    positions_nm: ArrayLike | None,
    other_lengths: dict[str, int],
) -> Batch:
    """Place particles, one image each, or specimens, several particles in an image.

    Parameters
    ----------
    particles : Particle, Specimen or a sequence of them
    orientations : Rotation or None
        Of each image, applied to the whole scene about the scan's centre, then shifted.
    positions_nm : (3,), (n, 3) or None
        Shift of each image's scene [nm].
    other_lengths : dict
        Number of images that other arguments of the caller stand for, by name; 0 for a single one.

    Raises
    ------
    TypeError, ValueError
        If something is not a particle or lengths differ.
    """
    shown, many = _as_list(particles)
    turn, shift = quaternions(orientations), vectors("positions_nm", positions_nm, "nm")
    lengths = {
        "particles": len(shown) if many else 0,
        "orientations": 0 if orientations is None or orientations.single else len(turn),
        "positions_nm": len(shift)
        if positions_nm is not None and np.ndim(positions_nm) == 2
        else 0,
        **other_lengths,
    }
    n = common_length(lengths)
    alone = shown[0] if len(shown) == 1 else None
    scenes = _one_particle(alone) if isinstance(alone, Particle) else _scenes(shown)
    n_images = max(n, 1)
    require_memory(_BODY_BYTES * n_images * scenes.most, f"the poses of {n_images} images")
    return _place(scenes, turn, shift, n_images, single=n == 0)


def common_length(lengths: dict[str, int]) -> int:
    """Return the number of images on which all arguments agree; 0 means a single image.

    Raises
    ------
    ValueError
        If two arguments stand for different numbers of images.

    Examples
    --------
    >>> common_length({"particles": 0, "orientations": 5})
    5
    """
    given = {name: n for name, n in lengths.items() if n > 0}
    if len(set(given.values())) > 1:
        listing = ", ".join(f"{name}: {n}" for name, n in given.items())
        raise ValueError(f"arguments stand for different numbers of images ({listing})")
    return next(iter(given.values()), 0)


def _as_list(particles: Shown | Sequence[Shown]) -> tuple[list[Shown], bool]:
    if isinstance(particles, Particle | Specimen):
        return [particles], False
    if isinstance(particles, str | bytes) or not isinstance(particles, Sequence):
        raise TypeError(
            "particles must be a Particle, a Specimen or a sequence of them, "
            f"got {type(particles).__name__}"
        )
    shown = list(particles)
    if not shown:
        raise ValueError("particles is empty, expected at least one")
    for i, item in enumerate(shown):
        if not isinstance(item, Particle | Specimen):
            raise TypeError(
                f"particles[{i}] must be a Particle or Specimen, got {type(item).__name__}"
            )
    return shown, True


@dataclass(frozen=True, eq=False)
class _Scenes:
    """Scenes before they are posed: one row for each body of each, scene after scene."""

    table: BodyTable
    materials: tuple[MaterialLike, ...]
    offset: Int
    """(scenes + 1,) first row of each scene, and the number of all."""
    shape: NDArray[np.int32]
    weight: Float
    particle: Int
    inner: Poses | None
    """Pose of each body's particle within its scene; None where all stand at the origin."""
    turned: Float | None
    """Turn that each body lacks, see `_upright`."""
    most: int
    """Largest number of bodies in a scene."""


def _scenes(shown: Sequence[Shown]) -> _Scenes:
    members = [s.particles if isinstance(s, Specimen) else (s,) for s in shown]
    distinct: dict[int, Particle] = {id(p): p for group in members for p in group}
    number = {key: i for i, key in enumerate(distinct)}
    bodies = [particle.bodies() for particle in distinct.values()]
    first_body = np.array(list(accumulate(map(len, bodies), initial=0)))
    weights = np.array([body.weight for own in bodies for body in own])
    upright, turned = _upright([body for own in bodies for body in own])

    particle = np.array([number[id(p)] for group in members for p in group])
    scene = np.repeat(np.arange(len(shown)), [len(group) for group in members])
    in_scene = np.arange(len(particle)) - np.searchsorted(scene, scene)
    count = np.diff(first_body)[particle]
    row = np.repeat(np.arange(len(particle)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    shape = (first_body[particle][row] + within).astype(np.int32)
    each = np.bincount(scene[row], minlength=len(shown))
    inner = _inner_poses(shown) if any(isinstance(s, Specimen) for s in shown) else None
    return _Scenes(
        table=BodyTable.of(upright),
        materials=tuple(
            particle.material if body.material is None else body.material
            for particle, own in zip(distinct.values(), bodies, strict=True)
            for body in own
        ),
        offset=offsets_of(each),
        shape=shape,
        weight=weights[shape],
        particle=in_scene[row],
        inner=None if inner is None else (inner[0][row], inner[1][row]),
        turned=None if turned is None else turned[shape],
        most=int(each.max()),
    )


_one_particle = Remembered[Particle, _Scenes](lambda particle: _scenes([particle]))


def _place(scenes: _Scenes, turn: Float, shift: Float, n: int, *, single: bool) -> Batch:
    """Pose the scenes of n images: a single scene for all of them, or one for each."""
    each = len(scenes.shape)
    row: Int | slice = slice(None)
    offset = scenes.offset
    if n > 1 and len(offset) == 2:
        offset, row = np.arange(n + 1) * each, np.arange(n * each) % each
    q, p = (
        a.repeat(offset[1:] - offset[:-1] if len(a) > 1 else offset[-1], axis=0)
        for a in (turn, shift)
    )
    if scenes.inner is not None:
        q, p = composed(q, p, (scenes.inner[0][row], scenes.inner[1][row]))
    if scenes.turned is not None:
        q = multiplied(q, scenes.turned[row])
    shape = scenes.shape[row]
    return Batch(
        table=scenes.table,
        image_offset=offset,
        shape=shape,
        position=p,
        orientation=q,
        weight=scenes.weight[row],
        materials=scenes.materials,
        material=shape,
        particle=scenes.particle[row],
        single=single,
    )


def _upright(bodies: list[Body]) -> tuple[tuple[Body, ...], Float | None]:
    """The bodies with turned ellipsoids set upright, and the turn that each of them then lacks.

    The core's ellipsoids have their axes along x, y and z. A turned one is an upright one, its
    centre turned back about the particle's origin, in a particle that is turned further.
    """
    turns = [b.quaternion if isinstance(b, EllipsoidBody) else _NO_TURN for b in bodies]
    if all(turn == _NO_TURN for turn in turns):
        return tuple(bodies), None
    table = [
        body
        if turn == _NO_TURN or not isinstance(body, EllipsoidBody)
        else replace(body, centre=_turned_back(turn, body.centre), quaternion=_NO_TURN)
        for body, turn in zip(bodies, turns, strict=True)
    ]
    return tuple(table), np.array(turns)


def _turned_back(turn: tuple[float, float, float, float], point: Float) -> Float:
    back: Float = rotated(np.array([turn]) * (-1.0, -1.0, -1.0, 1.0), point[None])[0]
    return back


def _inner_poses(shown: Sequence[Shown]) -> Poses:
    q = [s.quaternions if isinstance(s, Specimen) else [[0.0, 0.0, 0.0, 1.0]] for s in shown]
    p = [s.positions_nm if isinstance(s, Specimen) else [[0.0, 0.0, 0.0]] for s in shown]
    return np.concatenate(q), np.concatenate(p)
