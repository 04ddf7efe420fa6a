"""Last stage of files from the laboratory: grey levels, compression, and what is burnt in.

No physics: each step is a randomisation with a stated range, so that networks have seen what
people's files hold. JPEG blocks come from the JPEG library that is installed, so the bits of
pictures with them hang on its version; all else is the same everywhere.
"""

from __future__ import annotations

import io
from typing import Annotated, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator
from pydantic import Field as Setting

from stemfast import elementary
from stemfast.fields.chance import Chance
from stemfast.fields.contrast import blurred
from stemfast.recipes.settings import Group, LogRange, Range, Share, Whole, ordered

__all__ = ["Laboratory", "as_filed"]

Map: TypeAlias = NDArray[np.float32]
Grey: TypeAlias = NDArray[np.uint8]

_STEPS = 1 << 14  # of intensity, far finer than grey levels


_Percent = Annotated[float, Setting(strict=True, ge=0, lt=50)]
_Quality = Annotated[Whole, Setting(ge=1, le=100)]


class Laboratory(Group):
    """Ranges of the last stage; shares are of the pictures that have the step.

    Parameters
    ----------
    smoothing_px : (float, float)
        Gaussian smoothing after the noise, as of oversampled or resized pictures [px].
    clip_percent : (float, float)
        Pixels below the darkest and above the brightest grey level [%].
    gamma : (float, float)
        Exponent of the grey levels.
    jpeg_quality : (int, int)
        Of the JPEG library; `jpeg` is the share of pictures that go through it.
    enlarge, smooth, jpeg, vignette, lines, letters, frame, dead : float
        Shares of the pictures: half as finely sampled and enlarged, smoothed, compressed, shaded
        to the corners, with noise from line to line, with a scale bar and letters, with a frame or
        data bar, with dead pixels.

    Examples
    --------
    >>> Laboratory(jpeg=0.0, gamma=(1.0, 1.0)).jpeg
    0.0
    """

    smoothing_px: Range = (0.4, 1.6)
    clip_percent: Annotated[tuple[_Percent, _Percent], AfterValidator(ordered)] = (0.0, 1.0)
    gamma: LogRange = (0.6, 1.5)
    jpeg_quality: Annotated[tuple[_Quality, _Quality], AfterValidator(ordered)] = (40, 98)
    enlarge: Share = 0.2
    smooth: Share = 0.4
    jpeg: Share = 0.6
    vignette: Share = 0.3
    lines: Share = 0.2
    letters: Share = 0.3
    frame: Share = 0.05
    dead: Share = 0.1


def as_filed(chance: Chance, counts: Map, ranges: Laboratory) -> Grey:
    """Grey levels of a picture as a file of the laboratory holds them, (rows, columns) uint8."""
    image = _enlarged(counts) if chance.happens(ranges.enlarge) else counts
    rows = image.shape[0]
    if chance.happens(ranges.smooth):
        image = blurred(image, chance.between(*ranges.smoothing_px))
    span = float(image.max() - image.min()) or 1.0
    if chance.happens(ranges.vignette):
        image = _shaded(chance, image, span)
    if chance.happens(ranges.lines):
        step = (chance.normal(rows) * 0.02 * chance.one() * span).astype(np.float32)
        image = image + step[:, None]
    if chance.happens(ranges.dead):
        image = _dead(chance, image)
    grey = _stretched(chance, image, ranges)
    if chance.happens(ranges.letters):
        grey = _lettered(chance, grey)
    if chance.happens(ranges.frame):
        grey = _framed(chance, grey)
    if chance.happens(ranges.jpeg):
        grey = compressed(grey, chance.whole(*ranges.jpeg_quality))
    return grey


def _enlarged(counts: Map) -> Map:
    """Every second pixel, and straight lines between them: a picture that was enlarged."""
    image = counts[::2, ::2]
    for axis, length in enumerate(counts.shape):
        near = np.minimum(np.arange(length) // 2, image.shape[axis] - 1)
        beside = np.clip(near + np.where(np.arange(length) % 2, 1, -1), 0, image.shape[axis] - 1)
        own, other = image.take(near, axis), image.take(beside, axis)
        image = np.float32(0.75) * own + np.float32(0.25) * other
    return image.astype(np.float32)


def _shaded(chance: Chance, image: Map, span: float) -> Map:
    rows, columns = image.shape
    y = np.linspace(-1.0, 1.0, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, columns, dtype=np.float32)[None, :]
    way = chance.directions(1)[0]
    ramp = np.float32(way[0]) * x + np.float32(way[1]) * y
    bowl = x * x + y * y
    strength = np.float32(0.15 * chance.one() * span)
    return (image + strength * (ramp - np.float32(0.5) * bowl)).astype(np.float32)


def _dead(chance: Chance, image: Map) -> Map:
    rows, columns = image.shape
    image = image.copy()
    count = chance.whole(1, 6)
    image[chance.picks(count, rows), chance.picks(count, columns)] = (
        image.max() * np.float32(1.5) if chance.happens(0.6) else image.min()
    )
    if chance.happens(0.3):
        image[chance.whole(0, rows - 1)] = np.float32(np.median(image))
    return image


def _stretched(chance: Chance, image: Map, ranges: Laboratory) -> Grey:
    below, above = chance.between(*ranges.clip_percent), chance.between(*ranges.clip_percent)
    low, high = np.percentile(image[::2, ::2], (below, 100.0 - above))
    # Not every file uses all its grey levels.
    low = low - chance.between(0.0, 0.3) * (high - low)
    high = high + chance.between(0.0, 0.3) * (high - low)
    steps = (image - np.float32(low)) * np.float32(_STEPS / max(high - low, 1e-6))
    exponent = chance.between_log(*ranges.gamma) if chance.happens(0.5) else 1.0
    grey: Grey = _tone(exponent)[np.clip(steps, 0.0, _STEPS).astype(np.int32)]
    return grey


def _tone(exponent: float) -> Grey:
    """Grey levels of intensities 0, 1/_STEPS … 1 raised to a power."""
    unit = np.linspace(1e-4, 1.0, _STEPS + 1)
    return np.rint(255.0 * elementary.exp(exponent * elementary.log(unit))).astype(np.uint8)


def compressed(grey: Grey, quality: int) -> Grey:
    """Through JPEG and back."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    back = Image.open(io.BytesIO(buffer.getvalue())).convert("L")
    return np.asarray(back, np.uint8)


def _lettered(chance: Chance, grey: Grey) -> Grey:
    """A scale bar with its length, or a panel's letter, in black or white, on a patch or not."""
    from PIL import Image, ImageDraw, ImageFont

    rows, columns = grey.shape
    picture = Image.fromarray(grey)
    draw = ImageDraw.Draw(picture)
    size = int(chance.between_log(0.035, 0.15) * rows)
    font = ImageFont.load_default(max(size, 8))
    ink, paper = (255, 0) if chance.happens(0.5) else (0, 255)
    if chance.happens(0.75):
        length = int(chance.between(0.12, 0.3) * columns)
        thick = max(2, int(chance.between_log(0.005, 0.05) * rows))
        left = chance.choice((int(0.04 * columns), int(0.94 * columns) - length))
        top = int(chance.between(0.3, 0.95) * rows)
        label = (
            f"{chance.choice((5, 10, 20, 50, 100, 200, 500))} {chance.choice(('nm', 'nm', 'um'))}"
        )
        if chance.happens(0.35):
            draw.rectangle(
                (left - 4, top - size - 8, left + length + 4, top + thick + 5), fill=paper
            )
        draw.rectangle((left, top, left + length, top + thick), fill=ink)
        draw.text((left + 2, top - size - 4), label, fill=ink, font=font)
    if chance.happens(0.5):
        letter = chance.choice(("a", "b", "(c)", "d", "(e)", "A", "F", "(a)"))
        place = (int(0.02 * columns), int(0.01 * rows))
        if chance.happens(0.3):
            draw.rectangle(
                (place[0], place[1], place[0] + 2 * size, place[1] + 2 * size), fill=paper
            )
        draw.text(place, letter, fill=ink, font=ImageFont.load_default(max(2 * size, 12)))
    return np.asarray(picture)


def _framed(chance: Chance, grey: Grey) -> Grey:
    grey = grey.copy()
    if chance.happens(0.5):
        depth = int(chance.between(0.04, 0.1) * len(grey))
        grey[-depth:] = 0 if chance.happens(0.6) else 255
    else:
        width = chance.whole(1, 4)
        value = 255 if chance.happens(0.5) else 0
        grey[:width] = grey[-width:] = value
        grey[:, :width] = grey[:, -width:] = value
    return grey
