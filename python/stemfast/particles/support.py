"""A support behind the particle: a sphere, as aggregates have them, or a plate."""

from __future__ import annotations

from scipy.spatial.transform import Rotation

from stemfast.particles.base import Particle
from stemfast.particles.cuboid import Cuboid
from stemfast.particles.round import Sphere
from stemfast.particles.specimen import Specimen

__all__ = ["NONE", "SUPPORTS", "support_behind", "supported"]

NONE = "none"
SUPPORTS = (NONE, "sphere", "plate")


def support_behind(
    particle: Particle, kind: str, size_nm: float, material: str, field_nm: float
) -> tuple[Particle, float]:
    """A support that lies behind the particle, and how deep its middle is.

    Parameters
    ----------
    particle : Particle
    kind : {"sphere", "plate"}
    size_nm : float
        Diameter of a sphere, thickness of a plate [nm].
    material : str
    field_nm : float
        Side of the field; a plate is twice as wide [nm].

    Returns
    -------
    support : Particle
    depth_nm : float
        z of its middle from the particle's, so that it touches the ball that holds the particle.

    Examples
    --------
    >>> support_behind(Sphere(8), "plate", 10, "SiO2", 50)
    (Cuboid(edges=(100, 100, 10) nm, material='SiO2'), 13.0)
    """
    depth_nm = round(particle.bounding_radius + 0.5 * size_nm, 3)
    if kind == "sphere":
        return Sphere(0.5 * size_nm, material=material), depth_nm
    side = round(2.0 * field_nm, 3)
    return Cuboid((side, side, size_nm), material=material), depth_nm


def supported(
    particle: Particle,
    orientation: Rotation,
    kind: str,
    size_nm: float,
    material: str,
    field_nm: float,
) -> Specimen:
    """A particle in its pose before a support.

    Parameters
    ----------
    particle : Particle
    orientation : scipy.spatial.transform.Rotation
        Of the particle; the support is not turned.
    kind, size_nm, material, field_nm
        As for :func:`support_behind`.

    Examples
    --------
    >>> on_silica = supported(Sphere(8), Rotation.identity(), "sphere", 40, "SiO2", 50)
    >>> on_silica.positions_nm.tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 28.0]]
    """
    body, depth_nm = support_behind(particle, kind, size_nm, material, field_nm)
    return Specimen(
        [particle, body],
        [(0.0, 0.0, 0.0), (0.0, 0.0, depth_nm)],
        Rotation.concatenate([orientation, Rotation.identity()]),
    )
