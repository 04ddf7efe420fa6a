"""A particle and its pose from the words of a command line."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from stemfast.arguments import did_you_mean

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.particles import Particle
    from stemfast.particles.corner_edits import CornerEdit
    from stemfast.particles.specimen import Specimen


class Shape(StrEnum):
    """Shapes by the names that the command line shows."""

    CUBOID = "cuboid"
    SPHERE = "sphere"
    ELLIPSOID = "ellipsoid"
    TETRAHEDRON = "tetrahedron"
    OCTAHEDRON = "octahedron"
    TRUNCATED_OCTAHEDRON = "truncated-octahedron"
    ICOSAHEDRON = "icosahedron"
    DECAHEDRON = "decahedron"
    HEXAGONAL_PRISM = "hexagonal-prism"

    @classmethod
    def of(cls, name: str) -> Shape:
        """The shape of this name.

        Raises
        ------
        ValueError
            If there is none; says which is nearest.

        Examples
        --------
        >>> Shape.of("cube")
        Traceback (most recent call last):
            ...
        ValueError: --shape is 'cube', expected one of cuboid, sphere, ellipsoid, tetrahedron,
        octahedron, truncated-octahedron, icosahedron, decahedron, hexagonal-prism:
        did you mean cuboid?
        """
        if name in list(cls):
            return cls(name)
        raise ValueError(
            f"--shape is {name!r}, expected one of {', '.join(cls)}{did_you_mean(name, cls)}"
        )


def build(shape: Shape, size: str | None, corners: Sequence[str], material: str) -> Particle:
    """Build a particle.

    Parameters
    ----------
    shape : Shape
    size : str or None
        Comma-separated lengths [nm]: a cuboid's edge or three edges, a sphere's diameter, an
        ellipsoid's three axes, a prism's edge and height, any other shape's edge.
    corners : sequence of str
        Corner edits of a cuboid, e.g. ``"7:truncate:0.3"``.
    material : str
        Name from the table of materials.

    Returns
    -------
    Particle

    Raises
    ------
    ValueError
        If the sizes or edits cannot be read or do not suit the shape.

    Examples
    --------
    >>> build(Shape.SPHERE, "20", [], "Pt")
    Sphere(radius=10 nm, material='Pt')
    """
    import stemfast as sf

    if corners and shape is not Shape.CUBOID:
        raise ValueError(f"--corner edits a cuboid's corners, and the shape is {shape.value}")
    match shape:
        case Shape.CUBOID:
            lengths = _lengths(size or "20", "an edge, or three", (1, 3))
            edges = lengths * 3 if len(lengths) == 1 else lengths
            edits = dict(_corner(text) for text in corners)
            if len(edits) != len(corners):
                raise ValueError("--corner names the same corner twice")
            return sf.Cuboid(edges=(edges[0], edges[1], edges[2]), corners=edits, material=material)
        case Shape.SPHERE:
            (diameter,) = _lengths(size or "20", "a diameter", (1,))
            return sf.Sphere(radius=diameter / 2, material=material)
        case Shape.ELLIPSOID:
            a, b, c = _lengths(size or "28,20,16", "three axes", (3,))
            return sf.Ellipsoid(semi_axes=(a / 2, b / 2, c / 2), material=material)
        case Shape.HEXAGONAL_PRISM:
            edge, height = _lengths(size or "12,18", "an edge and a height", (2,))
            return sf.HexagonalPrism(edge=edge, height=height, material=material)
    (edge,) = _lengths(size or _USUAL_EDGE[shape], "an edge", (1,))
    match shape:
        case Shape.TETRAHEDRON:
            return sf.Tetrahedron(edge=edge, material=material)
        case Shape.OCTAHEDRON:
            return sf.Octahedron(edge=edge, material=material)
        case Shape.TRUNCATED_OCTAHEDRON:
            return sf.TruncatedOctahedron(edge=edge, material=material)
        case Shape.ICOSAHEDRON:
            return sf.Icosahedron(edge=edge, material=material)
        case Shape.DECAHEDRON:
            return sf.Decahedron(edge=edge, material=material)


def before_support(
    particle: Particle, orientation: Rotation, text: str, field_nm: float
) -> Specimen:
    """The particle in its pose before a support.

    Parameters
    ----------
    particle : Particle
    orientation : scipy.spatial.transform.Rotation
    text : str
        Such as ``"sphere:40:SiO2"``: kind, diameter or thickness [nm], and material, carbon if it
        is left out.
    field_nm : float
        Side of the field [nm].

    Raises
    ------
    ValueError
        If the support cannot be read.

    Examples
    --------
    >>> from scipy.spatial.transform import Rotation
    >>> cube = build(Shape.CUBOID, "20", [], "Pt")
    >>> before_support(cube, Rotation.identity(), "plate:10", 50).particles[1]
    Cuboid(edges=(100, 100, 10) nm, material='C')
    """
    from stemfast.particles.support import NONE, SUPPORTS, supported

    kind, _, rest = text.partition(":")
    size, _, material = rest.partition(":")
    if kind not in SUPPORTS or kind == NONE or not size:
        raise ValueError(
            "--support expects KIND:NM or KIND:NM:MATERIAL with the kinds "
            f"{' and '.join(name for name in SUPPORTS if name != NONE)}, such as sphere:40:SiO2, "
            f"got {text!r}"
        )
    size_nm = _number(size, f"--support {text}")
    if not size_nm > 0.0:
        raise ValueError(f"--support {text}: expected a size above 0 nm")
    return supported(particle, orientation, kind, size_nm, material or "C", field_nm)


def pose(turns: Sequence[str], at_random: bool, seed: int) -> Rotation:
    """Build an orientation from turns about fixed axes, one after the other, or at random.

    Parameters
    ----------
    turns : sequence of str
        Such as ``"x:30"``: axis of the image and angle [degrees].
    at_random : bool
        Uniform over all orientations instead.
    seed : int
        Seed of the random orientation.

    Returns
    -------
    scipy.spatial.transform.Rotation

    Raises
    ------
    ValueError
        If a turn cannot be read, or turns and chance are both asked for.

    Examples
    --------
    >>> pose(["z:90"], at_random=False, seed=0).apply([1, 0, 0]).round(6).tolist()
    [0.0, 1.0, 0.0]
    """
    from scipy.spatial.transform import Rotation

    from stemfast import orientation

    if at_random and turns:
        raise ValueError("--random and --turn exclude each other")
    if at_random:
        return orientation.random(1, seed=seed)[0]
    whole = Rotation.identity()
    for text in turns:
        axis, _, angle = text.partition(":")
        if axis not in ("x", "y", "z"):
            raise ValueError(f"--turn expects an axis and degrees, such as x:30, got {text!r}")
        whole = Rotation.from_euler(axis, _number(angle, f"--turn {text}"), degrees=True) * whole
    return whole


_USUAL_EDGE = {
    Shape.TETRAHEDRON: "26",
    Shape.OCTAHEDRON: "20",
    Shape.TRUNCATED_OCTAHEDRON: "24",
    Shape.ICOSAHEDRON: "13",
    Shape.DECAHEDRON: "16",
}


def _corner(text: str) -> tuple[int, CornerEdit]:
    import stemfast as sf

    words = text.split(":")
    if len(words) != 3 or not words[0].strip().isdecimal():
        raise ValueError(
            "--corner expects CORNER:EDIT:HOW-MUCH, such as 7:truncate:0.3, "
            f"0:displace:2 or 3:round:4, got {text!r}"
        )
    corner, what, amount = int(words[0]), words[1], f"--corner {text}"
    match what:
        case "truncate":
            fractions = _lengths(words[2], "a fraction, or three", (1, 3), option=amount)
            if len(fractions) == 1:
                return corner, sf.Truncation(fractions[0])
            return corner, sf.Truncation((fractions[0], fractions[1], fractions[2]))
        case "displace":
            return corner, sf.Displacement(nm=_number(words[2], amount))
        case "round":
            return corner, sf.Rounding(radius_nm=_number(words[2], amount))
    raise ValueError(f"{amount}: expected truncate, displace or round, got {what!r}")


def _lengths(
    text: str, what: str, counts: tuple[int, ...], *, option: str | None = None
) -> tuple[float, ...]:
    option = option or f"--size {text}"
    numbers = tuple(_number(word, option) for word in text.split(","))
    if len(numbers) not in counts:
        raise ValueError(f"{option}: expected {what}, separated by commas, got {len(numbers)}")
    return numbers


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option}: expected a number, got {text!r}") from None
