"""Labelled portraits of one simulated field: particles, clusters of them, and what is neither."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemfast.fields import Field, FieldRecipe
from stemfast.fields.shapes import CLASSES
from stemfast.micrograph.find import FoundParticle
from stemfast.micrograph.portrait import PORTRAIT_PX, portrait

__all__ = ["CLASS_NAMES", "Portraits", "drawn", "portraits_of"]

Labels: TypeAlias = NDArray[np.int32]

#: Classes of portraits: those of the solids, clusters, and what is no particle.
CLASS_NAMES = (
    "sphere",
    "ellipsoid",
    "irregular",
    "cuboid",
    "tetrahedron",
    "octahedron",
    "truncated octahedron",
    "decahedron",
    "icosahedron",
    "hexagonal plate",
    "triangular plate",
    "rod",
    "core-shell",
    "hollow",
    "cluster",
    "other",
)
# Solids that differ in how far their corners are cut have one name.
_SAME = {
    "cuboctahedron": "truncated octahedron",
    "rounded cuboid": "cuboid",
    "truncated tetrahedron": "tetrahedron",
    "snipped triangular plate": "triangular plate",
    "capped rod": "rod",
}
_CLASS_OF = np.array([CLASS_NAMES.index(_SAME.get(name, name)) for name in CLASSES])
_CLUSTER, _OTHER = CLASS_NAMES.index("cluster"), CLASS_NAMES.index("other")

#: Signal over noise of a whole particle below which its shape is not asked for.
LEAST_SIGNAL = 12.0
LEAST_SEEN = 0.6  # share that nothing lies over
_SMALLEST_PX = 40  # area [px]
_MOST_JOINED = 6
# What a finder gets wrong: middle and size of a particle, and neighbours that it misses.
_OFF, _ZOOM, _MISSED = 0.04, 0.14, 0.25
_CLUSTER_SHARE, _OTHER_SHARE = 0.5, 0.5  # of the fields


class Portraits(NamedTuple):
    """Portraits (n, PORTRAIT_PX, PORTRAIT_PX) float16 and the numbers of their classes (n,)."""

    images: NDArray[np.float16]
    labels: NDArray[np.int64]


def drawn(recipe: FieldRecipe, seed: int, index: int, most: int) -> Portraits:
    """Portraits of one field; the same for the same seed and index.

    Parameters
    ----------
    recipe : FieldRecipe
    seed, index : int
    most : int
        Portraits at most; there are fewer where the field has fewer particles.

    Examples
    --------
    >>> recipe = FieldRecipe(kinds=("sparse",), rows=96, columns=96, diameter_px=(15.0, 25.0))
    >>> found = drawn(recipe, 1, 3, 4)
    >>> found.images.shape[1:], len(found.images) == len(found.labels)
    ((80, 80), True)
    """
    return portraits_of(recipe.draw(seed, index), most, np.random.default_rng((seed, index, 7)))


def portraits_of(field: Field, most: int, rng: np.random.Generator) -> Portraits:
    """Portraits of a field's particles as a finder would hand them over, in random order.

    Parameters
    ----------
    field : Field
    most : int
        Portraits at most.
    rng : numpy.random.Generator
        Which particles, and by how much their outlines are off.
    """
    image = field.image.astype(np.float64)
    if field.bright_field:
        image = -image
    sitters = _particles(field)
    rng.shuffle(sitters)
    chosen: list[tuple[FoundParticle, int]] = []
    if rng.random() < _CLUSTER_SHARE:
        joined = _clusters(field)
        if joined:
            chosen.append((joined[rng.integers(len(joined))], _CLUSTER))
    if rng.random() < _OTHER_SHARE:
        chosen.append((_nothing(field, rng), _OTHER))
    chosen = [*chosen, *sitters][:most]
    images = np.empty((len(chosen), PORTRAIT_PX, PORTRAIT_PX), np.float16)
    for n, (particle, number) in enumerate(chosen):
        off = rng.normal(0.0, _OFF, 2)
        zoom = float(np.exp(np.clip(rng.normal(0.0, _ZOOM), -0.4, 0.4)))
        alone = number != _OTHER and rng.random() > _MISSED
        if number == _OTHER and particle.area_px > 0 and rng.random() < 0.4:
            # A piece of a particle, or one far from where its outline is.
            zoom *= float(rng.choice([0.35, 1.0, 2.6]))
            angle = rng.uniform(0.0, 2.0 * np.pi)
            off = rng.uniform(0.28, 0.45) * np.array([np.sin(angle), np.cos(angle)])
        shift = (float(off[0]), float(off[1]))
        images[n] = portrait(image, particle, zoom=zoom, shift=shift, alone=alone)
    numbers = np.array([number for _, number in chosen], np.int64)
    # A place where the file is black or white throughout shows nothing.
    shows = images.any(axis=(1, 2))
    return Portraits(images[shows], numbers[shows])


def _particles(field: Field) -> list[tuple[FoundParticle, int]]:
    """Particles whose shape can be seen, with their classes."""
    truth = field.truth
    clear = truth.visible & ~truth.cut & (truth.signal_to_noise > LEAST_SIGNAL)
    clear &= (truth.seen_px > LEAST_SEEN * truth.area_px) & (truth.area_px >= _SMALLEST_PX)
    found = []
    for row in np.flatnonzero(clear).tolist():
        one = _sitter(field.labels, int(truth.label[row]), truth.box[row])
        found.append((one, int(_CLASS_OF[truth.kind[row]])))
    return found


def _sitter(labels: Labels, label: int, box: NDArray[np.int64]) -> FoundParticle:
    top, bottom, left, right = (int(edge) for edge in box)
    return FoundParticle(label, (top, left, bottom, right), 1.0, False, labels)


def _clusters(field: Field) -> list[FoundParticle]:
    """Groups of two to six particles that touch or overlap, each as one."""
    truth, labels = field.truth, field.labels
    shown = np.concatenate([[False], truth.visible & (truth.signal_to_noise > LEAST_SIGNAL)])
    groups, _ = ndimage.label(shown[labels])
    found = []
    rows, columns = labels.shape
    for number, part in enumerate(ndimage.find_objects(groups), start=1):
        own = labels[part][groups[part] == number]
        areas = np.bincount(own)
        areas = areas[areas > 0]
        if not 2 <= len(areas) <= _MOST_JOINED or areas.min() < 0.12 * areas.sum():
            continue
        top, left, bottom, right = (part[0].start, part[1].start, part[0].stop, part[1].stop)
        if top == 0 or left == 0 or bottom == rows or right == columns:
            continue
        found.append(
            FoundParticle(number, (top, left, bottom, right), 1.0, False, groups.astype(np.int32))
        )
    return found


def _nothing(field: Field, rng: np.random.Generator) -> FoundParticle:
    """A particle that will be shown wrongly, or a place where there is none."""
    truth = field.truth
    visible = np.flatnonzero(truth.visible & (truth.area_px >= _SMALLEST_PX))
    if len(visible) and rng.random() < 0.5:
        row = int(rng.choice(visible))
        return _sitter(field.labels, int(truth.label[row]), truth.box[row])
    rows, columns = field.labels.shape
    shown = np.concatenate([[0], truth.visible])
    best, least = (0, 0, 8, 8), 2.0
    for _ in range(12):
        side = int(np.exp(rng.uniform(np.log(8.0), np.log(0.3 * min(rows, columns)))))
        top, left = int(rng.integers(0, rows - side)), int(rng.integers(0, columns - side))
        share = float(shown[field.labels[top : top + side, left : left + side]].mean())
        if share < least:
            best, least = (top, left, top + side, left + side), share
        if share < 0.03:
            break
    own = np.zeros(field.labels.shape, np.int32)
    own[best[0] : best[2], best[1] : best[3]] = 1
    return FoundParticle(1, best, 1.0, False, own)
