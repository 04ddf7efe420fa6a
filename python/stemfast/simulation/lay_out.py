"""Batches from particles, specimens, orientations and positions.

Everything about these that can be wrong is found here, before any work starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from stemfast.arguments import require_memory, vectors
from stemfast.orientation import quaternions
from stemfast.particles import Particle
from stemfast.particles.geometry.body import Body, EllipsoidBody
from stemfast.particles.geometry.body_table import BodyTable, offsets_of
from stemfast.particles.specimen import Specimen
from stemfast.simulation.batch import Batch, Float, Poses, Shown, composed, multiplied, rotated

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

_NO_TURN = (0.0, 0.0, 0.0, 1.0)
_BODY_BYTES = 300  # of a particle in an image, while its pose is found


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
    most = max(len(item.particles) if isinstance(item, Specimen) else 1 for item in shown)
    require_memory(_BODY_BYTES * max(n, 1) * most, f"the poses of {max(n, 1)} images")
    turn, shift = np.broadcast_to(turn, (max(n, 1), 4)), np.broadcast_to(shift, (max(n, 1), 3))
    return _place(shown, turn, shift, single=n == 0)


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


def _place(shown: list[Shown], turn: Float, shift: Float, *, single: bool) -> Batch:
    members = [s.particles if isinstance(s, Specimen) else (s,) for s in shown]
    distinct: dict[int, Particle] = {id(p): p for group in members for p in group}
    number = {key: i for i, key in enumerate(distinct)}
    bodies = [particle.bodies() for particle in distinct.values()]
    first_body = np.array(list(accumulate(map(len, bodies), initial=0)))
    materials = tuple(
        particle.material if body.material is None else body.material
        for particle, own in zip(distinct.values(), bodies, strict=True)
        for body in own
    )
    weights = np.array([body.weight for own in bodies for body in own])

    # One row per placed particle, first for the listed scenes …
    n = len(turn)
    particle = np.array([number[id(p)] for group in members for p in group])
    size = np.array([len(group) for group in members])
    scene = np.repeat(np.arange(len(shown)), size)
    inner = _inner_poses(shown) if any(isinstance(s, Specimen) for s in shown) else None
    # … then for the images, of which all may show the same scene.
    if len(shown) == 1 and n > 1:
        particle, scene = np.tile(particle, n), np.repeat(np.arange(n), size[0])
        if inner is not None:
            inner = np.tile(inner[0], (n, 1)), np.tile(inner[1], (n, 1))
    q, p = turn[scene], shift[scene]
    if inner is not None:
        q, p = composed(q, p, inner)

    count = np.diff(first_body)[particle]
    row = np.repeat(np.arange(len(particle)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    bodies_per_image = np.bincount(scene[row], minlength=n)
    bodies_upright, turned = _upright([body for own in bodies for body in own])
    shape = (first_body[particle][row] + within).astype(np.int32)
    in_image = np.arange(len(particle)) - np.searchsorted(scene, scene)
    return Batch(
        table=BodyTable.of(bodies_upright),
        image_offset=offsets_of(bodies_per_image),
        shape=shape,
        position=np.ascontiguousarray(p[row]),
        orientation=np.ascontiguousarray(
            q[row] if turned is None else multiplied(q[row], turned[shape])
        ),
        weight=weights[shape],
        materials=materials,
        material=shape,
        particle=in_image[row],
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


def _inner_poses(shown: list[Shown]) -> Poses:
    q = [s.quaternions if isinstance(s, Specimen) else [[0.0, 0.0, 0.0, 1.0]] for s in shown]
    p = [s.positions_nm if isinstance(s, Specimen) else [[0.0, 0.0, 0.0]] for s in shown]
    return np.concatenate(q), np.concatenate(p)
