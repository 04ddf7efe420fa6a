"""Read a micrograph and tell the conditions that make simulated images like it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.atomic import replacing_in
from stemfast.finding.files import checked_folder
from stemfast.finding.find import check_choice, find_in
from stemfast.finding.found import Found
from stemfast.finding.source import Source, source_of
from stemfast.finding.surroundings import level_under
from stemfast.matching.assumed import with_assumed_electrons
from stemfast.matching.background import background
from stemfast.matching.blur import probe_width
from stemfast.matching.conditions import Conditions, write_conditions
from stemfast.matching.estimate import Estimate, told, untold
from stemfast.matching.grey_levels import GreyLevels, grey_levels
from stemfast.matching.noise import Noise, photon_transfer
from stemfast.matching.picture import draw_match
from stemfast.matching.sizes import UNSEEN_SPREAD, size_range
from stemfast.matching.transfer_curve import film_mask

__all__ = ["CONDITIONS", "PICTURE", "Match", "match", "match_in"]

CONDITIONS, PICTURE = "conditions.toml", "match.png"

_SHARES = (0.1, 0.5, 0.9)
_FEWEST_FOR_RANGE = 5
_DRAWS, _SEED = 200, 21
_MOST_SATURATED = 0.02
_USUAL_SHARE = 0.3
_BAR_PX = 0.5
# Errors of signals beyond noise, as shares: the background under particles, which is not seen, and
# particles that touch or overlap. From simulated fields.
_UNDER, _CROWDED = 0.06, 0.35


@dataclass(frozen=True, eq=False)
class Match:
    """Conditions that a micrograph was taken under.

    Attributes
    ----------
    conditions : Conditions
        Every setting with its error bar, or "could not be told" and why.
    found : Found
        The particles that were found, for `match.png` and tables.
    simulated : Conditions
        Those of the simulated crops in `match.png`: with electrons that were assumed, of as strong
        a noise, where none could be told.
    notes : tuple of str
        Notes for the user: choices that were made, and doubts.
    """

    conditions: Conditions
    found: Found = field(repr=False)
    simulated: Conditions = field(repr=False)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([*(f"note: {note}" for note in self.notes), str(self.conditions)])

    def save(self, folder: str | Path) -> Path:
        """Write ``conditions.toml`` and ``match.png`` to a folder.

        Parameters
        ----------
        folder : str or Path
            Made if it is missing. Files of an earlier run are replaced once the new ones are
            complete.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        NotADirectoryError
            If it is a file.
        """
        target = checked_folder(folder)
        with replacing_in(target) as draft:
            write_conditions(draft / CONDITIONS, self.conditions)
            assumed = self.simulated is not self.conditions
            draw_match(self.simulated, self.found, draft / PICTURE, assumed=assumed)
        return target


def match(
    image: Any,
    pixel_size_nm: float | None = None,
    contrast: str = "auto",
    method: str = "auto",
    *,
    scale_bar_nm: float | None = None,
    labels: ArrayLike | str | Path | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
) -> Match:
    """Tell the conditions that a micrograph was taken under, from the micrograph alone.

    Parameters
    ----------
    image, pixel_size_nm, contrast, method, scale_bar_nm, labels, index, dataset
        As for `stemfast.find`.

    Returns
    -------
    Match

    Raises
    ------
    MicrographError
        If there is no image, it shows no sample, or no particle is found.
    ValueError, TypeError
        If an argument is not what it should be.

    Examples
    --------
    >>> import stemfast as sf
    >>> rows, cols = np.indices((128, 128))
    >>> shown = 20.0 + 60.0 * (np.hypot(rows - 60, cols - 70) < 20)
    >>> image = 4.0 * np.random.default_rng(1).poisson(shown)
    >>> conditions = sf.match(image, pixel_size_nm=0.5, method="classical").conditions
    >>> bool(abs(conditions.gain.value - 4.0) < 3.0 * conditions.gain.error)
    True
    >>> conditions.contrast, round(conditions.diameter_median.value)
    ('bright', 20)
    """
    check_choice("contrast", contrast, "method", method)
    source = source_of(
        image, pixel_size_nm, scale_bar_nm=scale_bar_nm, index=index, dataset=dataset
    )
    return match_in(source, contrast, method, labels=labels)


def match_in(
    source: Source,
    contrast: str = "auto",
    method: str = "auto",
    *,
    labels: ArrayLike | str | Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Match:
    """Tell the conditions of an image whose scale is settled.

    Parameters
    ----------
    source : Source
    contrast, method, labels
        As for `match`.
    progress : callable, optional
        Called with what is being done and the share that is done, 0 … 1.

    Returns
    -------
    Match
    """
    found = find_in(source, contrast, method, labels=labels, progress=progress).needed()
    image = found.image.astype(np.float64)
    levels = grey_levels(source.image)
    noise = photon_transfer(image, found.labels, found.blur_px, levels)
    film = film_mask(found.labels, found.blur_px)
    behind = background(image, film, found.blur_px)
    heights, inside = _heights(found)
    share = noise.gain.spread / noise.gain.value if noise.gain.value else _USUAL_SHARE
    height = max(float(np.median(heights)), 1e-30)
    probe = probe_width(
        found, noise.variance(inside), share, (behind.roughness.value or 0.0) / height
    )
    scale = found.pixel_size_nm
    unit = "px" if scale is None else "nm"
    sizes = size_range(found)
    low, median, high = _signals(heights, found, noise.gain, levels)
    conditions = Conditions(
        file=source.name,
        contrast=found.contrast,
        pixel_size=_pixel_size(source),
        probe_fwhm=probe.times(scale or 1.0, unit),
        gain=noise.gain,
        black_level=noise.black_level,
        read_noise=noise.read_noise,
        signal_low=low,
        signal_median=median,
        signal_high=high,
        background_level=behind.level,
        background_electrons=_electrons(behind.level, noise),
        background_variance=noise.background_variance,
        background_gradient=behind.gradient,
        background_roughness=behind.roughness,
        background_correlation=behind.correlation.times(scale or 1.0, unit),
        background_hurst=behind.hurst,
        diameter_low=sizes.low,
        diameter_median=sizes.median,
        diameter_high=sizes.high,
    )
    simulated = with_assumed_electrons(conditions, height, noise, float(image.min()))
    return Match(conditions, found, simulated, (*found.notes, *_notes(levels, len(found))))


def _pixel_size(source: Source) -> Estimate:
    size = source.pixel_size_nm
    if size is None:
        return untold("neither the file nor a scale bar says it", "nm")
    error = size * _BAR_PX / source.bar.length_px if source.bar is not None else 0.0
    return told(size, error, "nm")


def _heights(found: Found) -> tuple[NDArray[np.float64], float]:
    """Mean change of each particle against its surroundings [grey], and the particles' level."""
    level, _ = level_under(found.image, found.labels)
    number = found.labels.ravel()
    count = np.maximum(np.bincount(number, minlength=len(found) + 1)[1:], 1)
    sign = 1.0 if found.contrast == "bright" else -1.0
    change = np.bincount(number, (found.image - level).ravel(), minlength=len(found) + 1)[1:]
    on_them = found.image[found.labels != 0]
    return sign * change / count, float(on_them.mean()) if on_them.size else 0.0


def _signals(
    heights: NDArray[np.float64], found: Found, gain: Estimate, levels: GreyLevels
) -> tuple[Estimate, Estimate, Estimate]:
    """Electrons per pixel that 10, 50 and 90 % of the particles stay below."""
    particles = found.labels != 0
    lost = max(float(np.mean(end[particles])) for end in (levels.at_top, levels.at_bottom))
    if lost > _MOST_SATURATED:
        no = untold(f"{100 * lost:.0f} % of the particles' pixels are saturated", "e")
        return no, no, no
    if gain.value is None:
        no = untold(gain.why_not, "e")
        return no, no, no
    electrons = heights[_clearest(found)] / gain.value
    draws = np.random.default_rng(_SEED).integers(0, len(electrons), (_DRAWS, len(electrons)))
    spread = np.quantile(electrons[draws], _SHARES, axis=1).std(axis=1)
    crowded = _CROWDED * float(np.mean([one.overlapped for one in found]))
    share = math.hypot(gain.spread / gain.value, _UNDER, crowded)
    values = np.quantile(electrons, _SHARES)
    first, middle, last = (
        told(value, math.hypot(share * value, error), "e")
        for value, error in zip(values, spread, strict=True)
    )
    if len(electrons) < _FEWEST_FOR_RANGE:
        word = "particle" if len(electrons) == 1 else "particles"
        no = untold(f"only {len(electrons)} whole {word}", "e")
        of_few = UNSEEN_SPREAD * abs(values[1]) / math.sqrt(len(electrons))
        return no, told(values[1], math.hypot(middle.spread, of_few), "e"), no
    return first, middle, last


def _clearest(found: Found) -> NDArray[np.bool_]:
    """Whole particles that touch no other; of too few of these, all whole ones; or all."""
    whole = np.array([not one.on_border for one in found])
    alone = np.asarray(whole & np.array([not one.overlapped for one in found]))
    if np.count_nonzero(alone) >= _FEWEST_FOR_RANGE:
        return alone
    return whole if whole.any() else np.ones(len(found), bool)


def _electrons(level: Estimate, noise: Noise) -> Estimate:
    """Electrons of the background."""
    for one in (level, noise.gain, noise.black_level):
        if one.value is None:
            return untold(one.why_not, "e")
    g = noise.gain.number
    value = (level.number - noise.black_level.number) / g
    return told(
        max(value, 0.0),
        math.hypot(level.spread / g, noise.black_level.spread / g, value * noise.gain.spread / g),
        "e",
    )


def _notes(levels: GreyLevels, particles: int) -> list[str]:
    notes = []
    for share, end in ((levels.saturated, "highest"), (levels.clipped, "lowest")):
        if share > _MOST_SATURATED:
            notes.append(f"{100 * share:.0f} % of the pixels are at the {end} grey level")
    if particles == 1:
        notes.append("one particle: no range of sizes or signals can be told")
    return notes
