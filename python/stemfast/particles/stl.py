"""Particles as solids that one can print or turn: binary STL, in nm.

The format: 80 bytes of title, the number of triangles, and for each its outward normal, its three
corners by the right-hand rule, and two bytes of nothing (3D Systems, *StereoLithography Interface
Specification*, 1989).
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.atomic import write_bytes
from stemfast.particles.geometry.solid import Face, FloatArray

__all__ = ["read_stl", "stl_bytes", "triangles", "write_stl"]

Float: TypeAlias = NDArray[np.float64]


class WithFaces(Protocol):
    """A solid with corners and faces."""

    @property
    def vertices(self) -> FloatArray:
        """Corners (V, 3) [nm]."""

    @property
    def faces(self) -> tuple[Face, ...]:
        """Corners around each face, anticlockwise seen from outside."""


_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("nothing", "<u2")])


def triangles(particle: WithFaces) -> Float:
    """Triangles (n, 3, 3) of a particle's surface [nm], outward by the right-hand rule.

    Every face is a fan from one of its corners, so that neighbours share whole edges and nothing
    gapes.

    Raises
    ------
    ValueError
        If the particle has no faces, as a sphere has none.

    Examples
    --------
    >>> from stemfast.particles import Cuboid
    >>> corners = triangles(Cuboid(edges=(2, 3, 4)))
    >>> a, b, c = corners.swapaxes(0, 1)
    >>> len(corners), round(float(np.einsum("ij,ij", a, np.cross(b, c)) / 6), 9)
    (12, 24.0)
    """
    vertices = np.asarray(particle.vertices, np.float64)
    if not len(vertices):
        raise ValueError(f"particle has no faces to write, expected a solid with some: {particle}")
    fans = [
        vertices[[face[0], face[k], face[k + 1]]]
        for face in particle.faces
        for k in range(1, len(face) - 1)
    ]
    return np.asarray(fans)


def stl_bytes(particle: WithFaces, title: str = "stemfast, nm") -> bytes:
    """The particle as a binary STL file.

    Examples
    --------
    >>> from stemfast.particles import Cuboid
    >>> len(stl_bytes(Cuboid(edges=(2, 3, 4))))  # 84 + 50 a triangle
    684
    """
    corners = triangles(particle)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records = np.zeros(len(corners), _RECORD)
    records["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    records["corners"] = corners
    # A file whose title begins with "solid" would be taken for one in plain text.
    head = title.encode("ascii", "replace")[:80].ljust(80)
    return head + len(corners).to_bytes(4, "little") + bytes(records.tobytes())


def write_stl(path: str | Path, particle: WithFaces) -> Path:
    """Write a particle as binary STL in nm, whole or not at all."""
    write_bytes(path, stl_bytes(particle))
    return Path(path)


def read_stl(path: str | Path) -> Float:
    """Triangles (n, 3, 3) of a binary STL file.

    Raises
    ------
    ValueError
        If the file is not one.
    """
    content = Path(path).read_bytes()
    count = int.from_bytes(content[80:84], "little") if len(content) >= 84 else -1
    if len(content) != 84 + _RECORD.itemsize * count:
        raise ValueError(f"{path} has {len(content)} bytes, expected a binary STL file")
    corners = np.frombuffer(content[84:], _RECORD)["corners"].astype(np.float64)
    if not np.isfinite(corners).all():
        raise ValueError(f"{path} has corners that are NaN or infinite, expected finite numbers")
    return corners
