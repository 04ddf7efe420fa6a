"""Supports of catalysts: aggregates of primary spheres, stacks of plates, needles, and films.

A support is bodies of the core like any particle, so its thickness is exact. Roughness of a
sphere's surface is small spheres on it, uneven density small spheres of more or less weight in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import elementary
from stemfast.fields.bodies import Bodies
from stemfast.fields.chance import Chance
from stemfast.fields.shapes import library
from stemfast.simulation.batch import rotated

__all__ = ["SUPPORTS", "Support", "aggregate", "needles", "plates", "porous"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Support:
    """Bodies of a support, and its surface for particles to sit on.

    Attributes
    ----------
    bodies : Bodies
        Their weights are of thickness in nm: the material's mean free path is not yet in them.
    material : str
        One of `stemfast.materials`.
    surface : callable
        surface(chance, n) gives n points on it, (n, 3) [nm], and the outward normals there.
    unevenness : (float, float)
        Range of the relative rms of its thickness beyond that of its bodies.
    """

    bodies: Bodies
    material: str
    surface: Callable[[Chance, int], tuple[Floats, Floats]]
    unevenness: tuple[float, float] = (0.0, 0.15)

    def __repr__(self) -> str:
        return f"Support of {self.material}: {len(self.bodies)} bodies"


def aggregate(
    chance: Chance,
    extent_nm: tuple[float, float],
    *,
    material: str,
    diameter_nm: tuple[float, float],
    spread: float,
    cover: float,
    bumps: int,
) -> Support:
    """Primary spheres that touch, grown from a few seeds in the field or beside it.

    Parameters
    ----------
    chance : Chance
    extent_nm : (float, float)
        Height and width of the field [nm].
    material : str
    diameter_nm : (float, float)
        Range of the median diameter of the primary spheres, drawn in the logarithm [nm].
    spread : float
        Standard deviation of the logarithm of their diameters.
    cover : float
        Area of all discs over that of the field: how thick the aggregate gets.
    bumps : int
        Small spheres on, and uneven ones in, each primary sphere, at most.
    """
    height, width = extent_nm
    median = chance.between_log(*diameter_nm)
    area = height * width * cover
    count = int(min(max(area / (0.785 * median * median), 2.0), 600.0))
    diameter = chance.log_normal(median, spread, count)
    centre = _grown(chance, diameter, (height, width))
    bodies = Bodies()
    bodies.add_spheres(diameter, centre, np.ones(count))
    if bumps:
        _roughen(chance, bodies, diameter, centre, bumps, extent_nm)

    return Support(bodies, material, _round_surface(diameter, centre, extent_nm))


def _round_surface(
    diameter: Floats, centre: Floats, extent_nm: tuple[float, float]
) -> Callable[[Chance, int], tuple[Floats, Floats]]:
    """Points on the spheres that are in view; a sphere holds as many as it has surface."""
    height, width = extent_nm

    def surface(own: Chance, n: int) -> tuple[Floats, Floats]:
        within = (np.abs(centre[:, 0]) < 0.5 * width + diameter) & (
            np.abs(centre[:, 1]) < 0.5 * height + diameter
        )
        rows = np.flatnonzero(within)
        if len(rows) == 0:
            rows = np.arange(len(diameter))
        sphere = rows[own.by_weight(n, diameter[rows] ** 2)]
        normal = own.directions(n)
        return centre[sphere] + 0.5 * diameter[sphere, None] * normal, normal

    return surface


def _grown(chance: Chance, diameter: Floats, extent: tuple[float, float]) -> Floats:
    """Each sphere touches one that was there before; a few seeds start the growth."""
    n = len(diameter)
    height, width = extent
    seeds = chance.whole(1, 3)
    u, way = chance.uniform(2 * n).reshape(2, n), chance.directions(n)
    place = chance.uniform(3 * seeds).reshape(3, seeds)
    thick = chance.between(0.15, 0.6) * min(extent)
    centre = np.zeros((n, 3))
    # The growth leans to a side now and then, so that the field shows an edge of the aggregate.
    lean = chance.directions(1)[0] * chance.between(0.0, 0.35)
    for k in range(n):
        if k < seeds:
            centre[k] = (
                (place[0, k] - 0.5) * 1.1 * width,
                (place[1, k] - 0.5) * 1.1 * height,
                (place[2, k] - 0.5) * thick,
            )
            continue
        host = int(u[0, k] * k)
        step = way[k] + lean
        step = step / np.sqrt((step * step).sum())
        gap = 0.5 * (diameter[host] + diameter[k]) * (0.72 + 0.28 * u[1, k])
        centre[k] = centre[host] + gap * step
        beyond = 0.5 * np.array([width, height]) + diameter[k]
        centre[k, :2] = np.clip(centre[k, :2], -beyond, beyond)
        centre[k, 2] = min(max(centre[k, 2], -thick), thick)
    return centre


def _roughen(
    chance: Chance,
    bodies: Bodies,
    diameter: Floats,
    centre: Floats,
    bumps: int,
    extent_nm: tuple[float, float],
) -> None:
    height, width = extent_nm
    near = (np.abs(centre[:, 0]) < 0.5 * (width + diameter)) & (
        np.abs(centre[:, 1]) < 0.5 * (height + diameter)
    )
    rows = np.repeat(np.flatnonzero(near), chance.whole(1, bumps))[:4000]
    n = len(rows)
    if n == 0:
        return
    size = diameter[rows] * (0.08 + 0.25 * chance.uniform(n))
    on_surface = chance.uniform(n) < 0.5
    radius = np.where(on_surface, 0.47, 0.4 * elementary.cbrt(chance.uniform(n) + 1e-6))
    place = centre[rows] + chance.directions(n) * (radius * diameter[rows])[:, None]
    weight = np.where(on_surface, 0.8, 0.9 * (chance.uniform(n) - 0.6))
    bodies.add_spheres(size, place, weight)


def porous(
    chance: Chance,
    extent_nm: tuple[float, float],
    *,
    material: str,
    grain_nm: tuple[float, float],
    cover: float,
) -> Support:
    """Grains in loose clumps that touch: high-surface alumina, silica gel, fluffy carbon.

    Parameters
    ----------
    chance : Chance
    extent_nm : (float, float)
        Height and width of the field [nm].
    material : str
    grain_nm : (float, float)
        Range of the grains' median diameter, drawn in the logarithm [nm].
    cover : float
        Area of all grains' discs over that of the field: how thick the powder gets.
    """
    height, width = extent_nm
    median, spread = chance.between_log(*grain_nm), chance.between(0.2, 0.5)
    count = int(min(max(height * width * cover / (0.785 * median * median), 6.0), 2500.0))
    diameter = chance.log_normal(median, spread, count)
    # A clump holds more grains the larger its area; clumps differ by more than grains do.
    clumps = max(2, min(count // 6, chance.whole(3, 60)))
    across = chance.log_normal(1.0, 0.5, clumps)
    across *= np.sqrt(height * width * chance.between(0.6, 3.0) / (0.785 * (across**2).sum()))
    middle = _grown(chance, across, extent_nm)
    pick = chance.by_weight(count, across**2)
    reach = 0.5 * across[pick] * np.sqrt(chance.uniform(count))
    centre = middle[pick] + chance.directions(count) * reach[:, None]
    bodies = Bodies()
    # More grains than are drawn lie behind one another.
    bodies.add_spheres(diameter, centre, np.full(count, chance.between_log(1.0, 6.0)))
    return Support(bodies, material, _round_surface(diameter, centre, extent_nm), (0.02, 0.35))


def plates(
    chance: Chance,
    extent_nm: tuple[float, float],
    *,
    material: str,
    thickness_nm: tuple[float, float],
    count: tuple[int, int],
    tilt_deg: float,
) -> Support:
    """Flat crystals or flakes one over another: zeolite, alumina, graphene.

    Parameters
    ----------
    chance : Chance
    extent_nm : (float, float)
        Height and width of the field [nm].
    material : str
    thickness_nm : (float, float)
        Range of the plates' thickness, drawn in the logarithm [nm].
    count : (int, int)
        Range of their number.
    tilt_deg : float
        Spread of their tilt out of the field's plane [degrees].
    """
    height, width = extent_nm
    n = chance.whole(*count)
    side = min(extent_nm)
    names = ("hexagonal plate", "cuboid", "cuboid", "irregular", "irregular")
    rows = np.array([int(library().rows(chance.choice(names))[0]) for _ in range(n)])
    thickness = np.array([chance.between_log(*thickness_nm) for _ in range(n)])
    across = side * (0.25 + 0.9 * chance.uniform(n))
    scale = np.stack([across, across * (0.4 + 0.6 * chance.uniform(n)), thickness], axis=1)
    place = chance.uniform(3 * n).reshape(n, 3) - 0.5
    position = place * (width * 1.1, height * 1.1, 0.3 * side)
    bodies = Bodies()
    turned = chance.about_the_beam(n, tilt_deg)
    bodies.add(rows, scale, position, np.ones(n), turned)
    return Support(bodies, material, _flat_surface(bodies, 0.42))


def needles(
    chance: Chance,
    extent_nm: tuple[float, float],
    *,
    material: str,
    diameter_nm: tuple[float, float],
    count: tuple[int, int],
) -> Support:
    """Rods in all directions near the field's plane: alumina, titanates, nanotubes.

    Parameters
    ----------
    chance : Chance
    extent_nm : (float, float)
        Height and width of the field [nm].
    material : str
    diameter_nm : (float, float)
        Range of their diameter, drawn in the logarithm [nm].
    count : (int, int)
        Range of their number.
    """
    height, width = extent_nm
    n = chance.whole(*count)
    diameter = chance.log_normal(chance.between_log(*diameter_nm), 0.25, n)
    length = min(extent_nm) * (0.15 + 0.8 * chance.uniform(n))
    scale = np.stack([length, diameter, diameter * (0.3 + 0.7 * chance.uniform(n))], axis=1)
    place = chance.uniform(3 * n).reshape(n, 3) - 0.5
    position = place * (width * 1.1, height * 1.1, 0.4 * min(extent_nm))
    bodies = Bodies()
    cuboid = int(library().rows("cuboid")[0])
    bodies.add(np.full(n, cuboid), scale, position, np.ones(n), chance.about_the_beam(n, 20.0))
    return Support(bodies, material, _flat_surface(bodies, 0.42))


def _flat_surface(bodies: Bodies, half: float) -> Callable[[Chance, int], tuple[Floats, Floats]]:
    """Points on the two large faces of flat bodies, within `half` of their extent."""
    flat = bodies.taken(np.arange(len(bodies)))

    def surface(own: Chance, n: int) -> tuple[Floats, Floats]:
        row = own.by_weight(n, flat.scale[:, 0] * flat.scale[:, 1])
        u = own.uniform(3 * n).reshape(3, n)
        side = np.where(u[2] < 0.5, -1.0, 1.0)
        local = np.stack([(2 * u[0] - 1) * half, (2 * u[1] - 1) * half, 0.403 * side], axis=1)
        q = flat.orientation[row]
        normal = rotated(q, np.stack([np.zeros(n), np.zeros(n), side], axis=1))
        return flat.position[row] + rotated(q, local * flat.scale[row]), normal

    return surface


_Wide: TypeAlias = tuple[float, float] | None
_Maker: TypeAlias = Callable[[Chance, tuple[float, float], float, _Wide], Support]


def _carbon_black(
    chance: Chance, extent: tuple[float, float], size_nm: float, wide: _Wide = None
) -> Support:
    return aggregate(
        chance,
        extent,
        material="C",
        diameter_nm=wide or (max(2.5 * size_nm, 8.0), max(14.0 * size_nm, 30.0)),
        spread=0.25,
        cover=chance.between_log(0.4, 5.0),
        bumps=12,
    )


def _silica(
    chance: Chance, extent: tuple[float, float], size_nm: float, wide: _Wide = None
) -> Support:
    return aggregate(
        chance,
        extent,
        material=chance.choice(("SiO2", "SiO2", "Al2O3", "TiO2", "CeO2")),
        diameter_nm=wide or (max(1.5 * size_nm, 5.0), max(30.0 * size_nm, 40.0)),
        spread=chance.between(0.1, 0.5),
        cover=chance.between_log(0.4, 4.0),
        bumps=8,
    )


def _powder(
    chance: Chance, extent: tuple[float, float], size_nm: float, wide: _Wide = None
) -> Support:
    return porous(
        chance,
        extent,
        material=chance.choice(("SiO2", "SiO2", "Al2O3", "Al2O3", "C", "TiO2", "CeO2")),
        grain_nm=wide or (max(0.5 * size_nm, 1.5), max(3.0 * size_nm, 6.0)),
        cover=chance.between_log(2.0, 14.0),
    )


def _alumina(
    chance: Chance, extent: tuple[float, float], size_nm: float, wide: _Wide = None
) -> Support:
    material = chance.choice(("Al2O3", "Al2O3", "TiO2", "ZnO", "MgO"))
    wide = wide or (0.8 * size_nm, 6.0 * size_nm)
    return needles(chance, extent, material=material, diameter_nm=wide, count=(6, 80))


def _zeolite(
    chance: Chance, extent: tuple[float, float], size_nm: float, wide: _Wide = None
) -> Support:
    material = chance.choice(("SiO2", "Al2O3", "C", "CeO2"))
    thick = wide or (1.0 * size_nm, 25.0 * size_nm)
    return plates(
        chance, extent, material=material, thickness_nm=thick, count=(1, 9), tilt_deg=18.0
    )


def _graphene(
    chance: Chance, extent: tuple[float, float], size_nm: float, wide: _Wide = None
) -> Support:
    return plates(
        chance,
        extent,
        material="C",
        thickness_nm=wide or (0.7, max(4.0 * size_nm, 3.0)),
        count=(3, 14),
        tilt_deg=8.0,
    )


#: Makers of supports by name: maker(chance, (height, width) [nm], typical particle [nm], range of
#: the diameter of spheres and needles and of the thickness of plates [nm], or None).
SUPPORTS: dict[str, _Maker] = {
    "carbon-black": _carbon_black,
    "silica": _silica,
    "powder": _powder,
    "alumina": _alumina,
    "zeolite": _zeolite,
    "graphene": _graphene,
}
