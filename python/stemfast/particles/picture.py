"""Small 3-D pictures of particles for notebooks, as SVG: nothing is needed to draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from stemfast.image.scale_bar import round_length
from stemfast.particles.geometry.solid import Face, FloatArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Shown", "ellipsoid_mesh", "far_to_near", "notebook_html", "svg"]

_SIDE_PX = 170
_TURN_DEG = (28.0, -32.0)  # about x, then about y
_LIGHT = np.array([-0.35, -0.5, -0.8])  # x right, y down, z away from the eye
_GREY, _COLOUR = 0.35, np.array([231.0, 190.0, 92.0])
_RINGS, _SECTORS = 14, 28


class Shown(Protocol):
    """A solid that can be drawn, with its figures."""

    @property
    def volume(self) -> float:
        """Volume [nm³]."""

    @property
    def surface_area(self) -> float:
        """Surface area [nm²]."""

    @property
    def symmetry_group(self) -> str:
        """Schoenflies symbol."""


def notebook_html(particle: Shown, vertices: FloatArray, faces: tuple[Face, ...]) -> str:
    """Picture of a particle beside its name and figures.

    Parameters
    ----------
    particle : Shown
    vertices : (V, 3) ndarray
        Corners of its surface [nm].
    faces : tuple of tuple of int
        Corners around each face, anticlockwise seen from outside.
    """
    import html

    figures = {
        "volume": f"{particle.volume:.4g} nm³",
        "surface": f"{particle.surface_area:.4g} nm²",
        "symmetry": particle.symmetry_group,
    }
    rows = "".join(f"<tr><th>{name}</th><td>{said}</td></tr>" for name, said in figures.items())
    return (
        f'<div style="display:flex;align-items:center;gap:1em">{svg(vertices, faces)}'
        f"<div><code>{html.escape(repr(particle))}</code><table>{rows}</table></div></div>"
    )


def svg(vertices: FloatArray, faces: tuple[Face, ...]) -> str:
    """Parallel projection of a closed surface, lit from the upper left, with a scale bar.

    Faces that look away are left out and the others drawn from far to near (the painter's
    algorithm), which is exact for convex solids.

    Examples
    --------
    >>> picture = svg(*ellipsoid_mesh((3, 2, 1)))
    >>> picture[:4], picture.count("<polygon") > 100
    ('<svg', True)
    """
    turned = np.asarray(vertices, np.float64) @ _rotation().T
    radius = 1.05 * float(np.abs(turned[:, :2]).max())
    shapes = "".join(
        _polygon(corners, normal) for corners, normal in far_to_near(turned, faces) if normal[2] < 0
    )
    height = 2.3 * radius
    length = round_length(radius)
    y = 1.14 * radius
    bar = (
        f'<path d="M{-0.95 * radius:.4g} {y:.4g}h{length:.4g}" stroke="currentColor" '
        f'stroke-width="{0.03 * radius:.3g}"/><text x="{-0.9 * radius + length:.4g}" '
        f'y="{y + 0.05 * radius:.4g}" font-size="{0.16 * radius:.3g}" fill="currentColor">'
        f"{length:g} nm</text>"
    )
    box = f"{-radius:.4g} {-radius:.4g} {2 * radius:.4g} {height:.4g}"
    sides = f'width="{_SIDE_PX}" height="{1.15 * _SIDE_PX:.0f}" style="flex-shrink:0"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {sides} viewBox="{box}">'
    return f"{head}{shapes}{bar}</svg>"


def far_to_near(
    vertices: FloatArray, faces: tuple[Face, ...]
) -> list[tuple[FloatArray, FloatArray]]:
    """Corners and outward unit normal of each face that has an area, by falling mean z."""
    found = []
    for face in faces:
        corners = vertices[list(face)]
        normal = np.cross(corners - corners[0], np.roll(corners, -1, axis=0) - corners[0]).sum(0)
        size = float(np.linalg.norm(normal))
        if size > 0:
            found.append((float(corners[:, 2].mean()), corners, normal / size))
    found.sort(key=lambda one: -one[0])
    return [(corners, normal) for _, corners, normal in found]


def ellipsoid_mesh(half_lengths: tuple[float, float, float]) -> tuple[FloatArray, tuple[Face, ...]]:
    """Corners and faces of an ellipsoid about the origin, as fine as a small picture shows.

    Examples
    --------
    >>> corners, faces = ellipsoid_mesh((3, 2, 1))
    >>> np.abs(corners).max(axis=0).round(6).tolist()
    [3.0, 2.0, 1.0]
    """
    polar = np.pi * np.arange(_RINGS + 1) / _RINGS
    round_ = 2 * np.pi * np.arange(_SECTORS) / _SECTORS
    unit = np.stack(
        [
            np.outer(np.sin(polar), np.cos(round_)),
            np.outer(np.sin(polar), np.sin(round_)),
            np.outer(np.cos(polar), np.ones(_SECTORS)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    faces = [
        (
            ring * _SECTORS + k,
            (ring + 1) * _SECTORS + k,
            (ring + 1) * _SECTORS + (k + 1) % _SECTORS,
            ring * _SECTORS + (k + 1) % _SECTORS,
        )
        for ring in range(_RINGS)
        for k in range(_SECTORS)
    ]
    return unit * np.asarray(half_lengths, np.float64), tuple(faces)


def _rotation() -> NDArray[np.float64]:
    about_x, about_y = np.radians(_TURN_DEG)
    (s, c), (t, d) = ((np.sin(a), np.cos(a)) for a in (about_x, about_y))
    x = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    y = np.array([[d, 0.0, t], [0.0, 1.0, 0.0], [-t, 0.0, d]])
    turn: NDArray[np.float64] = x @ y
    return turn


def _polygon(corners: FloatArray, normal: FloatArray) -> str:
    lit = float(normal @ _LIGHT) / float(np.linalg.norm(_LIGHT))
    colour = (_GREY + (1.0 - _GREY) * max(0.0, lit)) * _COLOUR
    rgb = "rgb({:.0f},{:.0f},{:.0f})".format(*colour)
    points = " ".join(f"{x:.4g},{y:.4g}" for x, y, _ in corners)
    return f'<polygon points="{points}" fill="{rgb}" stroke="{rgb}" stroke-width=".3%"/>'
