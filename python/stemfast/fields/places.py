"""Places of particles: side by side, on a support's surface, or anywhere on a film."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import elementary
from stemfast.fields.chance import Chance
from stemfast.fields.supports import Support

__all__ = ["SURFACE_TRIES", "TRIES", "on_support", "packed", "scattered"]

Floats: TypeAlias = NDArray[np.float64]

#: Places tried for each particle that is to lie beside others without overlap.
TRIES = 12
#: Points of a support's surface tried for each particle that is to lie in view.
SURFACE_TRIES = 4


def packed(
    chance: Chance, extent: tuple[float, float], size: Floats, *, lattice: bool
) -> tuple[Floats, Floats]:
    """Places side by side on a film: on a jittered hexagonal lattice, or wherever there is room."""
    height, width = extent
    n = len(size)
    gap = chance.between(0.93, 1.25) if chance.happens(0.7) else chance.between(1.2, 2.0)
    if lattice and chance.happens(0.4):
        points = _hexagonal(chance, extent, float(np.median(size)) * max(gap, 1.0))
        rows = min(len(points), n)
        return points[:rows], size[:rows]
    tries = TRIES * n
    u = chance.uniform(2 * tries).reshape(2, tries)
    clusters = chance.happens(0.5)
    where = np.stack([(u[0] - 0.5) * 1.15 * width, (u[1] - 0.5) * 1.15 * height], axis=1)
    beside, way = chance.uniform(tries), chance.uniform(tries)
    sine, cosine = elementary.sin_cos_turns(way)
    placed = np.zeros((n, 2))
    taken, k, block = 0, 0, 1
    while taken < n and k < tries:
        # Tries until one succeeds depend on nothing but the particles that are there already.
        part = slice(k, k + block)
        point = where[part]
        fits = np.ones(len(point), np.bool_)
        if clusters and taken:
            beside_one = beside[part] < 0.8
            host = np.where(beside_one, beside[part] / 0.8 * taken, 0.0).astype(np.int64)
            reach = 0.5 * (size[host] + size[taken]) * (gap + 0.02)
            way_out = np.stack([cosine[part], sine[part]], axis=1)
            point = np.where(beside_one[:, None], placed[host] + reach[:, None] * way_out, point)
            out = (np.abs(point[:, 0]) > 0.6 * width) | (np.abs(point[:, 1]) > 0.6 * height)
            fits &= ~(beside_one & out)
        x, y = (placed[:taken, axis] - point[:, axis, None] for axis in (0, 1))
        near = 0.5 * gap * (size[:taken] + size[taken])
        fits &= ~(x * x + y * y < near * near).any(axis=1)
        if not fits.any():
            k, block = k + len(point), min(2 * block, 64)
            continue
        first = int(fits.argmax())
        placed[taken] = point[first]
        taken, k, block = taken + 1, k + first + 1, max(block // 2, 1)
    flat = np.concatenate([placed[:taken], np.zeros((taken, 1))], axis=1)
    return flat, size[:taken]


def _hexagonal(chance: Chance, extent: tuple[float, float], pitch: float) -> Floats:
    height, width = extent
    half = int(0.75 * max(height, width) / pitch) + 1
    i, j = np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1))
    x, y = pitch * (i + 0.5 * j).ravel(), pitch * np.sqrt(0.75) * j.ravel()
    sine, cosine = elementary.sin_cos_turns(chance.one())
    jitter = chance.between(0.0, 0.06) * pitch
    n = len(x)
    x = x + jitter * chance.normal(n)
    y = y + jitter * chance.normal(n)
    x, y = cosine * x - sine * y, sine * x + cosine * y
    # Islands and holes: a particle is left out where it lies far along a random wave.
    wave = chance.directions(3)[:, :2] * chance.between(0.5, 2.0) / max(extent)
    turns = chance.uniform(3)
    field = sum(
        elementary.sin_cos_turns(wave[k, 0] * x + wave[k, 1] * y + turns[k])[0] for k in range(3)
    )
    inside = (np.abs(x) < 0.58 * width) & (np.abs(y) < 0.58 * height)
    kept = inside & (field > chance.between(-2.5, 0.8)) & (chance.uniform(n) > 0.03)
    return np.stack([x[kept], y[kept], np.zeros(int(kept.sum()))], axis=1)


def on_support(
    chance: Chance, extent: tuple[float, float], support: Support, size: Floats
) -> tuple[Floats, Floats]:
    """On the support's surface; some in small groups, side by side along it."""
    height, width = extent
    point, normal = support.surface(chance, SURFACE_TRIES * len(size))
    inside = (np.abs(point[:, 0]) < 0.55 * width) & (np.abs(point[:, 1]) < 0.55 * height)
    rows = np.flatnonzero(inside)[: len(size)]
    n = len(rows)
    size = size[:n]
    sunk = chance.uniform(n) * 0.6
    place = point[rows] + normal[rows] * ((0.5 - sunk) * size)[:, None]
    if chance.happens(0.4) and n:
        grouped = np.flatnonzero(chance.uniform(n) < chance.between(0.1, 0.6))
        host = chance.picks(len(grouped), n)
        reach = 0.5 * (size[grouped] + size[host]) * (0.8 + 0.5 * chance.uniform(len(grouped)))
        away, up = chance.directions(len(grouped)), normal[rows][host]
        along = away - (away * up).sum(axis=1, keepdims=True) * up
        along /= np.maximum(np.sqrt((along * along).sum(axis=1, keepdims=True)), 1e-9)
        place[grouped] = place[host] + along * reach[:, None]
    return place, size


def scattered(chance: Chance, extent: tuple[float, float], size: Floats) -> Floats:
    """Anywhere on a film, (n, 3) [nm]; some in small groups."""
    height, width = extent
    n = len(size)
    u = chance.uniform(2 * n).reshape(2, n) - 0.5
    place = np.stack([u[0] * 1.1 * width, u[1] * 1.1 * height, np.zeros(n)], axis=1)
    if chance.happens(0.4):
        grouped = np.flatnonzero(chance.uniform(n) < 0.4)
        host = chance.picks(len(grouped), n)
        reach = 0.5 * (size[grouped] + size[host]) * (0.85 + 0.4 * chance.uniform(len(grouped)))
        sine, cosine = elementary.sin_cos_turns(chance.uniform(len(grouped)))
        place[grouped, 0] = place[host, 0] + reach * cosine
        place[grouped, 1] = place[host, 1] + reach * sine
    return place
