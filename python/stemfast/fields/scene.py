"""Depth maps of a planned field, and the conditions that its picture is taken under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core, elementary, materials
from stemfast.fields.bodies import Bodies
from stemfast.fields.chance import Chance
from stemfast.fields.contrast import Depths, Optics, blurred
from stemfast.fields.population import Population
from stemfast.fields.shapes import scaled
from stemfast.fields.supports import Support
from stemfast.fields.windows import Window, windows_of
from stemfast.particles.geometry.body_table import BodyTable
from stemfast.scattering import Collection

__all__ = ["Plan", "contamination", "depth_maps", "fringes", "optics"]

Map: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """Draws of a field before anything is placed in it.

    Parameters
    ----------
    kind : str
        One of `stemfast.fields.KINDS`.
    shape : (int, int)
        Rows and columns.
    collection : Collection
        Angles within which electrons count as scattered.
    bright_field : bool
    diameter_nm : float
        Median diameter of the particles [nm].
    pixel_nm : float
        [nm].
    count : int
        Particles asked for.
    contamination_nm : float
        Thickness of the carbon that has grown on particles [nm].
    best_signal_to_noise : float
        Largest signal of one pixel of a typical particle over its noise.
    widest_probe : float
        Largest width of an oversampled probe, as a share of the median diameter.
    row_jitter_px : float
        Standard deviation of the shifts of rows [px].
    """

    kind: str
    shape: tuple[int, int]
    collection: Collection
    bright_field: bool
    diameter_nm: float
    pixel_nm: float
    count: int
    contamination_nm: float = 0.0
    best_signal_to_noise: float = 12.0
    widest_probe: float = 0.4
    row_jitter_px: float = 0.0


def depth_maps(
    chance: Chance,
    plan: Plan,
    support: Support | None,
    people: Population,
    mottling: float = 0.0,
) -> tuple[Depths, list[Window]]:
    """Thicknesses over mean free paths of particles, support and film, and particles' windows.

    `mottling` is the relative standard deviation of the particles' thickness, 0 for even ones.
    """

    def path(material: str) -> float:
        return materials.get(material).scattering_curve(plan.collection).mean_free_path_nm

    shape, pixel = plan.shape, plan.pixel_nm
    paths = {name: path(name) for name in sorted(set(people.material))}
    shown = [*paths, *([support.material] if support is not None else []), "C"]
    strongest = materials.get(min(shown, key=path)).scattering_curve(plan.collection)
    bodies = people.bodies
    own = Bodies(
        bodies.shape,
        bodies.scale,
        bodies.position,
        bodies.orientation,
        bodies.weight / np.array([paths[name] for name in people.material]),
    )
    particles = np.zeros(shape, np.float32)
    windows = list(windows_of(own, people.first, shape, pixel))
    if mottling > 0.0:
        _mottle(chance, windows, shape, pixel, mottling, plan.diameter_nm)
    for window in windows:
        particles[window.rows, window.columns] += window.depth
    rest = np.zeros(shape, np.float32)
    if support is not None:
        loose = chance.between_log(0.4, 2.5)  # porous, or more of it than is in the field
        rest = support.bodies.depth(shape, pixel) * np.float32(loose / path(support.material))
        rest = np.maximum(rest, np.float32(0.0))
        if chance.happens(0.6):  # out of focus, fluffy
            rest = blurred(rest, plan.diameter_nm / pixel * chance.between_log(0.03, 0.4))
        uneven = chance.between(*support.unevenness)
        rest *= _rough(chance, shape, pixel, uneven, plan.diameter_nm)
    if plan.contamination_nm > 0.0:
        grown = contamination(people, plan.contamination_nm, shape, pixel)
        rest += grown / np.float32(path("C"))
    film = _film(chance, plan, path("C"), thick=support is None)
    return Depths(particles, rest, film, strongest), windows


def _mottle(
    chance: Chance,
    windows: list[Window],
    shape: tuple[int, int],
    pixel: float,
    rms: float,
    diameter_nm: float,
) -> None:
    """Make particles uneven inside: thickness that varies smoothly, or patches of two levels.

    A stand-in for pores, bend contours, stacking faults and what grows inside; no physics.
    """
    own = _surface(
        chance,
        shape,
        pixel,
        depth=1.0,
        roughness=0.25,
        correlation=float(np.clip(diameter_nm * chance.between_log(0.03, 0.5), 0.2, 1e3)),
        hurst=chance.between(0.3, 0.9),
    )
    wave = np.float32(4.0) * (own - np.float32(1.0))  # mean 0, standard deviation 1
    if chance.happens(0.35):
        level = np.float32(chance.between(-0.5, 1.2))
        wave = np.clip(np.float32(4.0) * (wave - level), np.float32(-1.0), np.float32(1.0))
    factor = np.maximum(np.float32(1.0) + np.float32(rms) * wave, np.float32(0.1))
    for window in windows:
        window.depth[...] *= factor[window.rows, window.columns]


def contamination(
    people: Population, thickness_nm: float, shape: tuple[int, int], pixel_nm: float
) -> Map:
    """Chords in layers of carbon around particles, (rows, columns) [nm].

    A layer is a grown body less the particle's own; layers that touch add up. Particles of carbon
    have none: nothing would tell it from them.

    Parameters
    ----------
    people : Population
    thickness_nm : float
        Of the layers [nm].
    shape : (int, int)
        Rows and columns.
    pixel_nm : float
        [nm].
    """
    outer = people.first[:-1]
    outer = outer[np.array([people.material[row] != "C" for row in outer.tolist()], np.bool_)]
    bodies = people.bodies.taken(np.tile(outer, 2))
    bodies.weight = np.repeat([1.0, -1.0], len(outer))
    own = people.bodies.taken(outer)
    table = BodyTable.joined([scaled(own.shape, own.scale, thickness_nm), own.table()])
    return np.maximum(bodies.depth(shape, pixel_nm, table), np.float32(0.0))


def _rough(
    chance: Chance, shape: tuple[int, int], pixel: float, rms: float, length_nm: float
) -> Map:
    return _surface(
        chance,
        shape,
        pixel,
        depth=1.0,
        roughness=rms,
        correlation=float(np.clip(length_nm * chance.between_log(0.3, 4.0), 0.2, 1e3)),
        hurst=chance.between(0.3, 0.8),
    )


def _film(chance: Chance, plan: Plan, path: float, *, thick: bool) -> Map:
    if not thick and chance.happens(0.5):
        return np.zeros(plan.shape, np.float32)
    extent = min(plan.shape) * plan.pixel_nm
    thickness = chance.between_log(1.0, 25.0) if thick else chance.between_log(1.0, 8.0)
    depth = thickness / path
    edge: dict[str, float] = {}
    if chance.happens(0.25):  # a hole, or the end of the film, in view
        edge = {
            "edge_distance": extent * chance.between(-0.1, 0.5),
            "edge_direction": 360.0 * chance.one(),
            "edge_curvature": chance.between(0.0, 3.0) / extent,
            "edge_taper": extent * chance.between_log(0.003, 0.1),
        }
    wedge = depth / extent * chance.between(0.0, 0.8) if chance.happens(0.4) else 0.0
    return _surface(
        chance,
        plan.shape,
        plan.pixel_nm,
        depth=depth,
        roughness=depth * chance.between(0.0, 0.25),
        correlation=float(np.clip(plan.diameter_nm * chance.between_log(0.2, 5.0), 0.2, 1e3)),
        hurst=chance.between(0.3, 0.8),
        wedge=wedge,
        wedge_direction=360.0 * chance.one(),
        **edge,
    )


def _surface(chance: Chance, shape: tuple[int, int], pixel: float, **settings: float) -> Map:
    record = np.zeros(1, _core.film_dtype)
    record["edge_taper"] = -1.0  # no hole
    for name, value in settings.items():
        record[name] = value
    return _core.film(
        record,
        rows=shape[0],
        columns=shape[1],
        pixel_size=pixel,
        seed=chance.whole(0, 2**31),
        index=0,
    )


def optics(chance: Chance, plan: Plan, depths: Depths, windows: list[Window]) -> Optics:
    """Dose from how far particles stand out of the noise; probe from their size."""
    total = depths.total
    sample = [
        (float(w.depth[w.inside].mean()), float(np.median(total[w.rows, w.columns][w.inside])))
        for w in windows[:: max(1, len(windows) // 40)]
    ]
    own, there = np.median(np.array(sample), axis=0) if sample else (0.02, 0.1)
    through = float(elementary.exp(-min(max(there, 0.0), 50.0)))
    change = max(abs(own) * through, 1e-4)
    level = through if plan.bright_field else max(1.0 - through - 0.5 * change, 1e-4)
    shown = plan.diameter_nm / plan.pixel_nm
    weakest = min(5.0 / max(shown, 4.0), 1.0)  # of one pixel: five for all of a particle
    ratio = chance.between_log(weakest, plan.best_signal_to_noise)
    dose = ratio * ratio * level / (change * change)
    dose = float(np.clip(dose, 15.0 / level, min(3e5 / level, 1e6)))
    probe = chance.between_log(0.6, 3.0)
    if chance.happens(0.4):  # an oversampled probe, or none too good
        probe = max(probe, shown * chance.between(0.03, plan.widest_probe))
    if not plan.bright_field:
        return Optics(False, dose, probe, row_jitter_px=plan.row_jitter_px)
    wide = chance.between_log(1.2, 4.0) * max(1.0, shown / 30.0)
    return Optics(
        True,
        dose,
        probe,
        grain=change * chance.between_log(0.05, 1.6) if chance.happens(0.8) else 0.0,
        grain_px=wide,
        fringes=chance.between(0.02, 0.25) if chance.happens(0.3) and shown > 20.0 else 0.0,
        fresnel=chance.between(0.1, 1.2) if chance.happens(0.6) else 0.0,
        fresnel_px=chance.between_log(1.0, 6.0),
        row_jitter_px=plan.row_jitter_px,
    )


def fringes(chance: Chance, shape: tuple[int, int], windows: list[Window]) -> Map:
    """Lattice fringes inside crystals, each with its own direction and spacing."""
    fringe = np.zeros(shape, np.float32)
    n = len(windows)
    direction, phase, seen = chance.uniform(n), chance.uniform(n), chance.uniform(n)
    spacing = chance.between(2.2, 7.0)
    for k, window in enumerate(windows):
        if seen[k] > 0.6:
            continue
        sine, cosine = elementary.sin_cos_turns(direction[k])
        r, c = np.nonzero(window.inside)
        wave, _ = elementary.sin_cos_turns(
            (r * float(sine) + c * float(cosine)) / spacing + phase[k]
        )
        fringe[window.rows, window.columns][r, c] = wave.astype(np.float32)
    return blurred(fringe, 0.5)
