"""A support behind the particle: a sphere, as aggregates have them, or a plate."""

from __future__ import annotations

import stemfast as sf

__all__ = ["NONE", "SUPPORTS", "support_behind"]

NONE = "none"
SUPPORTS = (NONE, "sphere", "plate")


def support_behind(
    particle: sf.Particle, kind: str, size_nm: float, material: str, field_nm: float
) -> tuple[sf.Particle, float]:
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
    >>> support_behind(sf.Sphere(8), "plate", 10, "SiO2", 50)
    (Cuboid(edges=(100, 100, 10) nm, material='SiO2'), 13.0)
    """
    depth_nm = round(particle.bounding_radius + 0.5 * size_nm, 3)
    if kind == "sphere":
        return sf.Sphere(0.5 * size_nm, material=material), depth_nm
    side = round(2.0 * field_nm, 3)
    return sf.Cuboid((side, side, size_nm), material=material), depth_nm
