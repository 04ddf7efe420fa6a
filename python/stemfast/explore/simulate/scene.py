"""A scene of one particle in a microscope, as the sliders of the page describe it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import stemfast as sf
from stemfast.explore.wireframe import dragged
from stemfast.particles.support import NONE, SUPPORTS, support_behind, supported

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.particles.corner_edits import CornerEdit

__all__ = ["BY_EDGE", "EDITS", "SHAPES", "Scene", "ShapeChoice", "angles_deg", "turned"]

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class ShapeChoice:
    """A shape by its name on the command line, and the lengths that make it [nm]."""

    lengths: tuple[str, ...]
    usual: Numbers


#: Shapes by the names that the command line has for them.
SHAPES: Mapping[str, ShapeChoice] = MappingProxyType(
    {
        "cuboid": ShapeChoice(("edge x", "edge y", "edge z"), (24.0, 20.0, 16.0)),
        "sphere": ShapeChoice(("diameter",), (20.0,)),
        "ellipsoid": ShapeChoice(("axis x", "axis y", "axis z"), (28.0, 20.0, 16.0)),
        "tetrahedron": ShapeChoice(("edge",), (26.0,)),
        "octahedron": ShapeChoice(("edge",), (20.0,)),
        "truncated-octahedron": ShapeChoice(("edge",), (24.0,)),
        "icosahedron": ShapeChoice(("edge",), (13.0,)),
        "decahedron": ShapeChoice(("edge",), (16.0,)),
        "hexagonal-prism": ShapeChoice(("edge", "height"), (12.0, 18.0)),
    }
)

#: Shapes that an edge alone makes.
BY_EDGE: Mapping[str, type[sf.Particle]] = MappingProxyType(
    {
        "tetrahedron": sf.Tetrahedron,
        "octahedron": sf.Octahedron,
        "truncated-octahedron": sf.TruncatedOctahedron,
        "icosahedron": sf.Icosahedron,
        "decahedron": sf.Decahedron,
    }
)

#: Edits of a corner by their names on the command line: class, smallest, largest, usual amount.
EDITS: Mapping[str, tuple[str, float, float, float]] = MappingProxyType(
    {
        "truncate": ("fraction of the edges", 0.05, 0.6, 0.3),
        "displace": ("nm inwards, below 0 outwards", -4.0, 6.0, 2.0),
        "round": ("radius [nm]", 0.5, 8.0, 4.0),
    }
)


@dataclass(frozen=True)
class Scene:
    """One particle, its pose, and the microscope that takes its image.

    Numbers are kept to ten digits, so that they are the same in the code and the command that are
    shown. Defaults are those of ``stemfast simulate`` but for the field of 256² pixels of 0.2 nm.

    Parameters
    ----------
    shape : str
        One of `SHAPES`.
    size_nm : tuple of float
        The lengths that the shape has there [nm].
    corners : mapping of int to (str, float)
        Of a cuboid: which corner has which edit of `EDITS`, and how much.
    material : str
    turn_deg : (float, float, float)
        Turns about the image's x, then y, then z axis [degrees].
    spin_rad_s : (float, float, float)
        Angular velocity during the scan [rad/s].
    pixels : int
        Rows and columns [px].
    pixel_size_nm, dwell_us, current_pa, energy_kev, probe_nm, convergence_mrad : float
    inner_mrad, outer_mrad : float
        Angles of the annular detector.
    bright_field_mrad : float
        Angle of a bright-field detector in place of it; 0 for none.
    film_nm, roughness_nm : float
        Of the carbon film.
    contamination_nm : float
        Thickness of the carbon that has grown on the particle.
    support : str
        One of `SUPPORTS`, which lies behind the particle.
    support_nm : float
        Diameter of a sphere, thickness of a plate [nm].
    support_material : str
    drift_nm_s : (float, float)
        Of the beam over the specimen along x and y.
    jitter_pm : float
        Of rows.
    seed : int

    Raises
    ------
    ValueError
        If shape or support are unknown, the shape has another number of lengths, corners are not a
        cuboid's, contamination is below 0, or a plate would spin.

    Examples
    --------
    >>> scene = Scene(shape="sphere", size_nm=(12,), pixels=64, pixel_size_nm=0.25)
    >>> scene.particle()
    Sphere(radius=6 nm, material='Au')
    >>> scene.take().images.shape
    (64, 64)
    """

    shape: str = "cuboid"
    size_nm: Numbers = SHAPES["cuboid"].usual
    corners: Mapping[int, tuple[str, float]] = field(default_factory=dict)
    material: str = "Au"
    turn_deg: Numbers = (30.0, -20.0, 10.0)
    spin_rad_s: Numbers = (0.0, 0.0, 0.0)
    pixels: int = 256
    pixel_size_nm: float = 0.2
    dwell_us: float = 4.0
    current_pa: float = 20.0
    energy_kev: float = 200.0
    probe_nm: float = 0.5
    convergence_mrad: float = 20.0
    inner_mrad: float = 60.0
    outer_mrad: float = 200.0
    bright_field_mrad: float = 0.0
    film_nm: float = 5.0
    roughness_nm: float = 0.0
    contamination_nm: float = 0.0
    support: str = NONE
    support_nm: float = 30.0
    support_material: str = "C"
    drift_nm_s: Numbers = (0.0, 0.0)
    jitter_pm: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"shape is {self.shape!r}, expected one of {', '.join(SHAPES)}")
        lengths = SHAPES[self.shape].lengths
        if len(self.size_nm) != len(lengths):
            raise ValueError(
                f"size_nm has {len(self.size_nm)} lengths, expected {len(lengths)} for a "
                f"{self.shape}: {', '.join(lengths)}"
            )
        if self.corners and self.shape != "cuboid":
            raise ValueError(f"corners are a cuboid's, and the shape is {self.shape}")
        if self.support not in SUPPORTS:
            raise ValueError(f"support is {self.support!r}, expected one of {', '.join(SUPPORTS)}")
        if self.contamination_nm < 0.0:
            raise ValueError(
                f"contamination_nm is {self.contamination_nm:g}, expected 0 nm or more"
            )
        if self.support == "plate" and any(self.spin_rad_s):
            raise ValueError("support: a plate would spin with the particle, expected a sphere")
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, tuple):
                object.__setattr__(self, one.name, tuple(_ten_digits(part) for part in value))
            elif isinstance(value, float):
                object.__setattr__(self, one.name, _ten_digits(value))
        edits = {c: (kind, _ten_digits(how)) for c, (kind, how) in sorted(self.corners.items())}
        object.__setattr__(self, "corners", MappingProxyType(edits))

    def particle(self) -> sf.Particle:
        """The particle, without what has grown on it.

        Raises
        ------
        ValueError
            If lengths or edits make none.
        """
        size, material = self.size_nm, self.material
        match self.shape:
            case "cuboid":
                edits = {corner: _edit(*edit) for corner, edit in self.corners.items()}
                return sf.Cuboid((size[0], size[1], size[2]), edits, material=material)
            case "sphere":
                return sf.Sphere(size[0] / 2, material=material)
            case "ellipsoid":
                return sf.Ellipsoid((size[0] / 2, size[1] / 2, size[2] / 2), material=material)
            case "hexagonal-prism":
                return sf.HexagonalPrism(size[0], size[1], material=material)
        return BY_EDGE[self.shape](edge=size[0], material=material)  # type: ignore[call-arg]

    def covered(self) -> sf.Particle:
        """The particle with its contamination."""
        particle = self.particle()
        return (
            sf.contaminated(particle, self.contamination_nm) if self.contamination_nm else particle
        )

    def orientation(self) -> Rotation:
        """The pose: the turns about x, y and z, one after the other."""
        from scipy.spatial.transform import Rotation

        whole = Rotation.identity()
        for axis, angle in zip("xyz", self.turn_deg, strict=True):
            if angle:
                whole = Rotation.from_euler(axis, angle, degrees=True) * whole
        return whole

    def support_body(self) -> tuple[sf.Particle, float]:
        """The support, and the depth of its middle [nm]."""
        field_nm = self.pixels * self.pixel_size_nm
        return support_behind(
            self.covered(), self.support, self.support_nm, self.support_material, field_nm
        )

    def specimen(self) -> sf.Specimen:
        """The particle in its pose, and the support where there is one.

        Raises
        ------
        ValueError
            If lengths or edits make none.
        """
        if self.support == NONE:
            return sf.Specimen([self.covered()], [(0, 0, 0)], self.orientation())
        return supported(
            self.covered(),
            self.orientation(),
            self.support,
            self.support_nm,
            self.support_material,
            self.pixels * self.pixel_size_nm,
        )

    def microscope(self) -> sf.Microscope:
        """The microscope.

        Raises
        ------
        ValueError
            If settings do not suit one another.
        """
        return sf.Microscope(
            scan=sf.Scan(
                shape=(self.pixels, self.pixels),
                pixel_size_nm=self.pixel_size_nm,
                dwell_us=self.dwell_us,
                instability=sf.Instability(
                    drift_nm_s=(self.drift_nm_s[0], self.drift_nm_s[1]),
                    row_jitter_pm=self.jitter_pm,
                ),
            ),
            beam=sf.Beam(
                energy_kev=self.energy_kev,
                current_pa=self.current_pa,
                convergence_mrad=self.convergence_mrad,
            ),
            probe=sf.Probe(fwhm_nm=self.probe_nm),
            haadf=sf.Haadf(inner_mrad=self.inner_mrad, outer_mrad=self.outer_mrad),
            bright_field=sf.BrightField(outer_mrad=self.bright_field_mrad)
            if self.bright_field_mrad
            else None,
            film=sf.Film(thickness_nm=self.film_nm, roughness_nm=self.roughness_nm),
        )

    def take(self) -> sf.Simulation:
        """Take the image, with its truth.

        One thread: images of this size take a millisecond, and threads cost more than they bring.

        Raises
        ------
        ValueError
            If settings make no particle or no microscope.
        """
        return sf.simulate(
            self.specimen(),
            microscope=self.microscope(),
            seed=self.seed,
            spin_rad_s=self.spin_rad_s if any(self.spin_rad_s) else None,
            n_threads=1 if self.pixels <= 512 else 0,
            saturation="ignore",
            return_truth=True,
        )

    def thickness_nm(self, taken: sf.Simulation) -> NDArray[np.float32]:
        """Thickness of the particle's material, without film and support, of an image [nm].

        A support or contamination of the same material counts with it.
        """
        return taken.truth.thickness_nm[self.material]


def turned(turn_deg: Numbers, dx_deg: float, dy_deg: float) -> Numbers:
    """Turns about x, y and z after a drag to the right and downwards [degrees].

    Examples
    --------
    >>> turned((0.0, 0.0, 0.0), 0.0, 30.0)
    (30.0, 0.0, 0.0)
    """
    from scipy.spatial.transform import Rotation

    before = Rotation.from_euler("xyz", turn_deg, degrees=True)
    return angles_deg(dragged(before, dx_deg, dy_deg))


def angles_deg(pose: Rotation) -> Numbers:
    """Turns about x, y and z that make a pose, to a tenth so that they can be typed [degrees].

    Examples
    --------
    >>> from scipy.spatial.transform import Rotation
    >>> angles_deg(Rotation.from_euler("z", 90, degrees=True))
    (0.0, 0.0, 90.0)
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gimbal lock: any of the equal answers will do
        angles = pose.as_euler("xyz", degrees=True)
    return tuple(round(float(angle), 1) + 0.0 for angle in angles)


def _edit(kind: str, amount: float) -> CornerEdit:
    match kind:
        case "truncate":
            return sf.Truncation(amount)
        case "displace":
            return sf.Displacement(nm=amount)
        case "round":
            return sf.Rounding(radius_nm=amount)
    raise ValueError(f"edit is {kind!r}, expected one of {', '.join(EDITS)}")


def _ten_digits(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"expected finite numbers, got {value}")
    return float(f"{value:.10g}")
