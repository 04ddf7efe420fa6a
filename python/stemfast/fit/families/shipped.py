"""The families that come with stemfast, by name.

The family of the cube is one: with the cube's {100} at 1 and its {111} at √3, where they touch its
corners, {111} move inwards through the cuboctahedron, at 2/√3, to the octahedron, at 1/√3. Its
three named shapes and the two stretches between them are rivals, since a shape at the border of two
stretches is the simpler for having one size. `cut_cubes` is all of it at once, with eight depths of
their own if wanted, and also for unequal edges.

A decahedron with re-entrant grooves (Marks) is not convex, and is none of these: it would need a
union of five convex wedges, whose chords add up.
"""

from __future__ import annotations

import math
import re
from functools import cache
from itertools import product

import numpy as np

from stemfast.fit.families.family import Family
from stemfast.fit.families.round import Ellipsoids, Rods, Spheres
from stemfast.fit.families.shape_family import ShapeFamily
from stemfast.fit.families.shelled import VOID, shelled

__all__ = ["FAMILIES", "cut_cubes", "family_of"]

_ROOT3 = math.sqrt(3.0)
_CUBE = {"100": 1.0, "111": _ROOT3}
_CUBOCTAHEDRON = {"100": 1.0, "111": 2.0 / _ROOT3}
_OCTAHEDRON = {"100": 1.0, "111": 1.0 / _ROOT3}
_GOLDEN = (1.0 + math.sqrt(5.0)) / 2.0
_BIPYRAMID_DEG = 14.0  # between the axis and the facets of an elongated bipyramid


def _cubic(name: str, *shapes: dict[str, float], parameters: tuple[str, ...]) -> Family:
    forms = {form: [int(one) for one in form] for form in shapes[0]}
    return Family(name, forms, "Oh", shapes, parameters)


def _cube() -> Family:
    return _cubic("cube", {"100": 1.0}, parameters=("half edge",))


def _cuboid() -> Family:
    forms = {f"100 {axis}": np.eye(3)[k] for k, axis in enumerate("xyz")}
    return Family("cuboid", forms, "D2h", parameters=("half edge x", "half edge y", "half edge z"))


def _truncated_cube() -> Family:
    return _cubic(
        "truncated cube", _CUBE, _CUBOCTAHEDRON, parameters=("part cube", "part cuboctahedron")
    )


def _cuboctahedron() -> Family:
    return _cubic("cuboctahedron", _CUBOCTAHEDRON, parameters=("distance of {100}",))


def _truncated_octahedron() -> Family:
    return _cubic(
        "truncated octahedron",
        _CUBOCTAHEDRON,
        _OCTAHEDRON,
        parameters=("part cuboctahedron", "part octahedron"),
    )


def _octahedron() -> Family:
    return _cubic("octahedron", {"111": 1.0}, parameters=("distance of {111}",))


def _tetrahedron() -> Family:
    return Family("tetrahedron", {"111": (-1, -1, -1)}, "Td", parameters=("inradius",))


def _truncated_tetrahedron() -> Family:
    return Family(
        "truncated tetrahedron",
        {"111": (-1, -1, -1), "111 cut": (1, 1, 1)},
        "Td",
        [{"111": 1.0, "111 cut": 3.0}, {"111": 1.0, "111 cut": 1.0}],
        ("part tetrahedron", "part octahedron"),
    )


def _pentagon(elevation: float) -> dict[str, tuple[float, float, float]]:
    """A facet of a pentagonal bipyramid, whose normal stands so high over the waist [rad]."""
    c, s = math.cos(elevation), math.sin(elevation)
    return {"111": (-c, 0.0, s), "100": (-1.0, 0.0, 0.0)}


def _elevation() -> float:
    """Of the {111} of five tetrahedra about an axis: triangles with equal sides."""
    radius = 1.0 / (2.0 * math.sin(math.pi / 5.0))
    return math.atan2(radius * math.cos(math.pi / 5.0), math.sqrt(1.0 - radius**2))


def _decahedron() -> Family:
    forms = {"111": _pentagon(_elevation())["111"]}
    return Family("decahedron", forms, "D5h", parameters=("inradius",))


def _truncated_decahedron() -> Family:
    angle = _elevation()
    forms = _pentagon(angle)
    bipyramid = {"111": 1.0, "100": 1.0 / math.cos(angle)}
    waist = {"111": math.sin(angle), "100": 0.0}
    names = ("inradius of the pyramids", "half waist")
    return Family("truncated decahedron", forms, "D5h", [bipyramid, waist], names)


def _elongated_bipyramid() -> Family:
    angle = math.radians(_BIPYRAMID_DEG)
    forms = {"steep": _pentagon(angle)["111"], "tip": (0.0, 0.0, 1.0)}
    sharp = {"steep": 1.0, "tip": 1.0 / math.sin(angle)}
    blunt = {"steep": 1.0, "tip": 0.5 / math.sin(angle)}
    return Family("elongated bipyramid", forms, "D5h", [sharp, blunt], ("part sharp", "part blunt"))


def _icosahedron() -> Family:
    return Family("icosahedron", {"111": (1, 1, 1)}, "Ih", parameters=("inradius",))


def _hexagonal_prism() -> Family:
    # Its sides are those of a triangular plate whose corners are cut as far as they go.
    forms = {"side": (1, 0, 0), "top": (0, 0, 1)}
    return Family("hexagonal prism", forms, "D6h", parameters=("inradius", "half height"))


def _triangular_plate() -> Family:
    forms = {"side": (-1, 0, 0), "side cut": (1, 0, 0), "top": (0, 0, 1)}
    sharp = {"side": 1.0, "side cut": 2.0, "top": 0.0}
    hexagon = {"side": 1.0, "side cut": 1.0, "top": 0.0}
    height = {"side": 0.0, "side cut": 0.0, "top": 1.0}
    names = ("part triangle", "part hexagon", "half height")
    return Family("triangular plate", forms, "D3h", [sharp, hexagon, height], names)


#: The families that are compared, by name.
FAMILIES = {
    "cube": _cube,
    "cuboid": _cuboid,
    "truncated cube": _truncated_cube,
    "cuboctahedron": _cuboctahedron,
    "truncated octahedron": _truncated_octahedron,
    "octahedron": _octahedron,
    "tetrahedron": _tetrahedron,
    "truncated tetrahedron": _truncated_tetrahedron,
    "decahedron": _decahedron,
    "truncated decahedron": _truncated_decahedron,
    "elongated bipyramid": _elongated_bipyramid,
    "icosahedron": _icosahedron,
    "hexagonal prism": _hexagonal_prism,
    "triangular plate": _triangular_plate,
    "rod": Rods,
    "sphere": Spheres,
    "ellipsoid": Ellipsoids,
}


@cache
def family_of(name: str) -> ShapeFamily:
    """A family that comes with stemfast, also with a core or a void inside.

    Parameters
    ----------
    name : str
        Such as "cube", "cube with Pd core" or "hollow cube", see
        `stemfast.fit.families.Shelled`.

    Raises
    ------
    ValueError
        If there is none of that name, or the core is of no known material.

    Examples
    --------
    >>> family = family_of("truncated octahedron")
    >>> shape = family.measures(np.array([1.0, 1.0]))
    >>> round(shape["volume"], 3), round(shape["100"] / shape["surface"], 3)
    (32.0, 0.224)
    """
    inside = re.fullmatch("hollow (.+)|(.+) with (.+) core", name)
    if inside:
        return shelled(family_of(inside[1] or inside[2]), inside[3] or VOID)
    if name not in FAMILIES:
        raise ValueError(f"family: got {name!r}, expected one of {', '.join(FAMILIES)}")
    return FAMILIES[name]()


def cut_cubes(*, edges: int = 1, depths: int = 1) -> Family:
    """The whole family of the cube: half edges, and how far {111} cut from the corners [nm].

    Parameters
    ----------
    edges : int
        1 for cubes, 3 for cuboids.
    depths : int
        1 for all corners alike, 8 for each its own.

    Raises
    ------
    ValueError
        If edges or depths are others.

    Examples
    --------
    A cube of edge 2, cut by a third of its diagonal, is a cuboctahedron:

    >>> shape = cut_cubes().measures(np.array([1.0, 3**0.5 / 3]))
    >>> round(shape["100/111"], 6), "111/111" in shape
    (1.414214, False)
    """
    if edges not in (1, 3) or depths not in (1, 8):
        raise ValueError(f"edges, depths: got {edges}, {depths}, expected 1 or 3, and 1 or 8")
    forms: dict[str, object] = {}
    rows: dict[str, list[float]] = {}
    for k, axis in enumerate("xyz"):
        for sign in (1.0, -1.0):
            form = f"100 {'+' if sign > 0 else '-'}{axis}"
            forms[form] = sign * np.eye(3)[k]
            rows[form] = [1.0] if edges == 1 else np.eye(3)[k].tolist()
            rows[form] += [0.0] * depths
    for corner, signs in enumerate(product((-1.0, 1.0), repeat=3)):
        form = f"111 {corner}"
        forms[form] = signs[::-1]  # corner c is at signs x: bit 0, y: bit 1, z: bit 2
        rows[form] = [_ROOT3] if edges == 1 else [1.0 / _ROOT3] * 3
        rows[form] += (-np.eye(8)[corner]).tolist() if depths == 8 else [-1.0]
    names = [f"half edge {axis}" for axis in "xyz"] if edges == 3 else ["half edge"]
    names += [f"cut {corner}" for corner in range(8)] if depths == 8 else ["cut"]
    shapes = [{form: row[k] for form, row in rows.items()} for k in range(len(names))]
    return Family("cut cuboid" if edges == 3 else "cut cube", forms, "C1", shapes, names)  # type: ignore[arg-type]
