"""A core of one material in a shell of another, a particle with a void, and contamination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from stemfast.arguments import length_nm
from stemfast.particles.arguments import MaterialLike
from stemfast.particles.base import Particle
from stemfast.particles.geometry.body import ConvexBody
from stemfast.particles.geometry.layer import covered
from stemfast.particles.geometry.placement import Placement
from stemfast.particles.nested import Layer, Nested, layers_of
from stemfast.particles.polyhedron import Polyhedron
from stemfast.particles.round import Ellipsoid, Sphere

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation


@dataclass(frozen=True, repr=False, init=False)
class CoreShell(Nested):
    """A particle inside another one, each of its own material.

    The core takes the place of what was there. The shell may be hollow, and the core then lies in
    its void (a yolk and its shell); the core may be a core and its shell in turn. So a particle of
    any number of layers is made from the outside or from the inside.

    Parameters
    ----------
    core, shell : Particle
        Of any shapes and materials. The shell's size is its outer one.
    offset_nm : (float, float, float)
        Where the core's origin is, from the shell's origin [nm].
    orientation : Rotation, optional
        Turn of the core in the shell.

    Raises
    ------
    TypeError, ValueError
        If something is not a particle, or the core touches the surface of the shell or sticks out
        of it. (A core that is not convex counts as its convex hull where the shell is a mesh.)

    Notes
    -----
    `volumes` has the volume of each material; `surface_area` is that of the shell, and of the walls
    of a void. Orientations turn the particle about the shell's origin.

    Examples
    --------
    >>> import stemfast as sf
    >>> particle = sf.CoreShell(
    ...     core=sf.Sphere(6, material="Pd"), shell=sf.Sphere(9, material="Pt")
    ... )
    >>> particle
    CoreShell(core=Sphere(radius=6 nm, material='Pd'), shell=Sphere(radius=9 nm, material='Pt'))
    >>> {name: round(volume) for name, volume in particle.volumes.items()}
    {'Pt': 2149, 'Pd': 905}
    >>> sf.CoreShell(sf.Sphere(6, material="Pd"), sf.Cuboid((11, 13, 14)))
    Traceback (most recent call last):
        ...
    ValueError: core must lie inside the shell, with a gap all around, but sticks out by 0.5 nm \
or more: core Sphere(radius=6 nm, material='Pd') at offset_nm=(0, 0, 0) in \
Cuboid(edges=(11, 13, 14) nm, material='Au')
    """

    core: Particle
    shell: Particle

    def __init__(
        self,
        core: Particle,
        shell: Particle,
        *,
        offset_nm: ArrayLike = (0.0, 0.0, 0.0),
        orientation: Rotation | None = None,
    ) -> None:
        self._set_up({"core": core, "shell": shell}, offset_nm, orientation)
        self._check_inside("core", "shell")

    @property
    def _outer(self) -> Particle:
        return self.shell

    @property
    def _parts(self) -> dict[str, Particle]:
        return {"core": self.core, "shell": self.shell}

    def _inner_layers(self) -> tuple[Layer, ...]:
        return layers_of(self.core)


@dataclass(frozen=True, repr=False, init=False)
class Hollow(Nested):
    """A particle with a void inside.

    Parameters
    ----------
    particle : Particle
        What is hollow; of a `CoreShell` it is the core.
    void : Particle
        The shape of the void. Its material does not count.
    offset_nm : (float, float, float)
        Where the void's origin is, from the particle's origin [nm].
    orientation : Rotation, optional
        Turn of the void in the particle.

    Raises
    ------
    TypeError, ValueError
        If something is not a particle, the void is nested or would lie in a void, or it touches
        the particle's surface or sticks out of it.

    Examples
    --------
    >>> import stemfast as sf
    >>> box = sf.Hollow(sf.Cuboid((20, 20, 20)), void=sf.Cuboid((14, 14, 14)))
    >>> round(box.volume, 9), box.surface_area, box.symmetry_group
    (5256.0, 3576.0, 'Oh')
    >>> yolk = sf.CoreShell(core=sf.Sphere(4, material="Pd"), shell=box, offset_nm=(2, 0, 1))
    >>> sorted(yolk.volumes), yolk.symmetry_group
    (['Au', 'Pd'], 'Cs')
    """

    particle: Particle
    void: Particle

    def __init__(
        self,
        particle: Particle,
        void: Particle,
        *,
        offset_nm: ArrayLike = (0.0, 0.0, 0.0),
        orientation: Rotation | None = None,
    ) -> None:
        self._set_up({"particle": particle, "void": void}, offset_nm, orientation)
        if isinstance(void, Nested):
            raise TypeError(
                "void must be a single solid; for something in the void write "
                f"CoreShell(core=..., shell=Hollow(...)), got {void!r}"
            )
        if layers_of(particle)[-1].material is None:
            raise ValueError(
                f"particle is hollow already, its void can hold no other: {particle!r}"
            )
        self._check_inside("void", "particle")

    @property
    def _outer(self) -> Particle:
        return self.particle

    @property
    def _parts(self) -> dict[str, Particle]:
        return {"particle": self.particle, "void": self.void}

    def _inner_layers(self) -> tuple[Layer, ...]:
        return (Layer(self.void, Placement(), None),)


def contaminated(
    particle: Particle, thickness_nm: float, *, material: MaterialLike = "C"
) -> CoreShell:
    """A particle in a layer of contamination, as hydrocarbons grow under the beam.

    Parameters
    ----------
    particle : Particle
        Of any shape. One that is not convex is covered as its convex hull.
    thickness_nm : float
        Thickness of the layer on faces [nm]; over corners and edges it is thicker
        (`stemfast.particles.geometry.layer.covered`). An ellipsoid is covered by one whose
        semi-axes are longer by this much, thinner between its axes.
    material : str or Material
        What the layer is made of.

    Returns
    -------
    CoreShell
        The particle is its `core`, and the layer the rest of its `shell`.

    Raises
    ------
    TypeError, ValueError
        If it is not a particle, the thickness is not above 0, or the material is unknown.

    Examples
    --------
    >>> import stemfast as sf
    >>> covered = contaminated(sf.Sphere(5, material="Pt"), 2.0)
    >>> covered
    CoreShell(core=Sphere(radius=5 nm, material='Pt'), shell=Sphere(radius=7 nm, material='C'))
    >>> {name: round(volume) for name, volume in covered.volumes.items()}
    {'C': 913, 'Pt': 524}
    """
    if not isinstance(particle, Particle):
        raise TypeError(f"particle must be a Particle, got {type(particle).__name__}")
    thickness = length_nm("thickness_nm", thickness_nm)
    solid = layers_of(particle)[0].shape
    shell: Particle
    if isinstance(solid, Sphere):
        shell = Sphere(solid.radius + thickness, material=material)
    elif isinstance(solid, Ellipsoid):
        a, b, c = solid.semi_axes
        shell = Ellipsoid((a + thickness, b + thickness, c + thickness), material=material)
    else:
        hull = solid.bodies()[0]
        if not isinstance(hull, ConvexBody):
            hull = Polyhedron.from_vertices(solid.vertices).bodies()[0]
            assert isinstance(hull, ConvexBody)
        planes = covered(hull.planes[:, :3], hull.vertices, thickness)
        shell = Polyhedron.from_halfspaces(planes, material=material)
    return CoreShell(core=particle, shell=shell)
