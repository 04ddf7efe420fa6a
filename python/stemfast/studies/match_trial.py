"""Trial of `stemfast match` on simulated fields under random conditions that are known.

Fields of `stemfast.fields` are recorded by detectors of random gain, black level, read noise and
bits. Every fifth goes through the laboratory's last stage instead (stretched grey levels,
smoothing, JPEG), after which nobody can tell the electrons.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.fields import Field, FieldRecipe
from stemfast.finding.population import population
from stemfast.finding.surroundings import level_under
from stemfast.matching import match
from stemfast.matching.sizes import range_of
from stemfast.matching.transfer_curve import film_mask
from stemfast.micrograph.files.error import MicrographError
from stemfast.studies.record import Record

__all__ = ["MEASURED", "Summary", "Trial", "summaries", "table", "trial"]

MEASURED = (
    "probe_fwhm",
    "gain",
    "signal_median",
    "read_noise",
    "background_level",
    "background_electrons",
    "diameter_low",
    "diameter_median",
    "diameter_high",
)

_SIDE_PX = 384
_EVERY = 5
_SIGMA_PER_FWHM = 0.42466090014400953
_MOST_READ_NOISE_E = 2.0
_SURE = 0.1


@dataclass(frozen=True)
class Trial:
    """Answers and truth of one field.

    Attributes
    ----------
    index : int
        Number of the field.
    kind : str
        Kind of field.
    filed : bool
        It went through the laboratory's last stage.
    bright_field : bool
    truth : dict of str to float
    values, errors : dict of str to float
        Of what was told.
    why : dict of str to str
        Reasons of what was not.
    seconds : float
        Time on one core [s].
    """

    index: int
    kind: str
    filed: bool
    bright_field: bool
    truth: dict[str, float]
    values: dict[str, float]
    errors: dict[str, float]
    why: dict[str, str]
    seconds: float

    @property
    def key(self) -> int:
        """Key of the field within a record."""
        return self.index


@dataclass(frozen=True)
class Summary:
    """Errors of one setting over all fields of detectors.

    Attributes
    ----------
    name : str
    told, asked : int
        Fields in which it was told, and all.
    rms, median : float
        Of the relative error, and the median of its size.
    covered : float
        Share of the 68 % error bars that cover the truth.
    sure, rms_sure : int, float
        Fields with an error bar below a tenth of the value, and the rms of their relative errors.
    """

    name: str
    told: int
    asked: int
    rms: float
    median: float
    covered: float
    sure: int
    rms_sure: float


def trial(
    n: int, seed: int, path: str | Path, *, progress: Callable[[int], None] | None = None
) -> list[Trial]:
    """Match n fields, and record each in a file; fields that are recorded are not done again.

    Parameters
    ----------
    n : int
        Fields.
    seed : int
        Of fields and detectors.
    path : str or Path
        JSON lines.
    progress : callable, optional
        Called with the number of fields done.

    Returns
    -------
    list of Trial

    Raises
    ------
    ValueError
        If the file is no record of this command and seed.
    """
    record = Record(Path(path), "study match", Trial)
    known = record.resume({"seed": seed})
    for index in range(n):
        if index not in known:
            known[index] = _matched(seed, index)
            record.append(known[index])
        if progress is not None:
            progress(index + 1)
    return [known[index] for index in range(n)]


def _matched(seed: int, index: int) -> Trial:
    filed = index % _EVERY == _EVERY - 1
    recipe = FieldRecipe(
        rows=_SIDE_PX,
        columns=_SIDE_PX,
        diameter_px=(10.0, 50.0),
        cover=(0.03, 0.3),
        empty=0.0,
        bright_field=0.2,
        laboratory=1.0 if filed else 0.0,
    )
    field = recipe.draw(seed, index)
    image: NDArray[Any] = field.image
    truth: dict[str, float] = {}
    if not filed:
        image, truth = _recorded(field, np.random.default_rng([seed, index]))
    values: dict[str, float] = {}
    errors: dict[str, float] = {}
    why: dict[str, str] = {}
    began = time.process_time()
    try:
        found = match(image, field.pixel_size_nm).conditions.estimates
        for name in MEASURED:
            one = found[name]
            if one.value is None:
                why[name] = one.why_not
            else:
                values[name], errors[name] = one.value, one.spread
    except MicrographError as error:
        why = dict.fromkeys(MEASURED, str(error))
    spent = time.process_time() - began
    kind = field.kind
    return Trial(index, kind, filed, field.bright_field, truth, values, errors, why, spent)


def _recorded(
    field: Field, draws: np.random.Generator
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """A field as a detector of random settings records it, and the settings."""
    electrons = field.image.astype(np.float64)
    read = float(draws.uniform(0.0, _MOST_READ_NOISE_E)) if draws.random() < 0.5 else 0.0
    bits = int(draws.choice((0, 8, 16, 16)))
    if bits:
        top = 2.0**bits - 1.0
        black = top * draws.uniform(0.02, 0.15)
        gain = (top - black) * draws.uniform(0.5, 0.9) / (electrons.max() + 6.0 * read)
    else:
        top, black, gain = math.inf, float(draws.choice((0.0, 100.0))), draws.uniform(0.5, 20.0)
    image = gain * (electrons + read * draws.standard_normal(electrons.shape)) + black
    if bits:
        image = np.clip(np.rint(image), 0.0, top)
    return image.astype(np.float32), _truth(field, electrons, float(gain), float(black), read)


def _truth(
    field: Field, electrons: NDArray[np.float64], gain: float, black: float, read: float
) -> dict[str, float]:
    pixel, probe = field.pixel_size_nm, field.optics.probe_px
    film = film_mask(field.labels, _SIGMA_PER_FWHM * probe)
    whole = field.truth.visible & ~field.truth.cut
    level, _ = level_under(np.asarray(electrons, np.float32), field.labels)
    number = field.labels.ravel()
    n = len(field.truth)
    count = np.maximum(np.bincount(number, minlength=n + 1)[1:], 1)
    change = np.bincount(number, (electrons - level).ravel(), minlength=n + 1)[1:] / count
    sign = -1.0 if field.bright_field else 1.0
    diameters = pixel * 2.0 * np.sqrt(field.truth.area_px / math.pi)
    box = field.truth.box
    people = population(
        diameters,
        ~whole,
        unit="nm",
        sizes=pixel * (box[:, [2, 3]] - box[:, [0, 1]])[:, :],
        field_size=(pixel * field.labels.shape[0], pixel * field.labels.shape[1]),
    )
    found = {"probe_fwhm": pixel * probe, "gain": gain, "read_noise": read}
    if film.any():
        behind = float(electrons[film].mean())
        found |= {"background_level": gain * behind + black, "background_electrons": behind}
    if whole.any():
        found["signal_median"] = sign * float(np.median(change[whole]))
        names = ("diameter_low", "diameter_median", "diameter_high")
        sizes = range_of(people.diameters, people.weights)
        found |= dict(zip(names, sizes.tolist(), strict=True))
    return found


def summaries(trials: Sequence[Trial]) -> list[Summary]:
    """Errors of each setting over the fields that a detector recorded.

    Parameters
    ----------
    trials : sequence of Trial

    Returns
    -------
    list of Summary

    Examples
    --------
    >>> truth, value, error = {"gain": 2.0}, {"gain": 2.1}, {"gain": 0.2}
    >>> one = Trial(0, "sparse", False, False, truth, value, error, {}, 1.0)
    >>> [(s.name, s.told, round(s.rms, 3), s.covered) for s in summaries([one])]
    [('gain', 1, 0.05, 1.0)]
    """
    found = []
    for name in MEASURED:
        asked = [one for one in trials if name in one.truth]
        told = [one for one in asked if name in one.values]
        if not asked:
            continue
        true = np.array([one.truth[name] for one in told])
        off = np.array([one.values[name] for one in told]) - true
        bars = np.array([one.errors[name] for one in told])
        relative = np.abs(off[true > 0] / true[true > 0])
        sure = (true > 0) & (bars < _SURE * np.abs(off + true))
        found.append(
            Summary(
                name,
                len(told),
                len(asked),
                float(np.sqrt(np.mean(relative**2))) if len(relative) else math.nan,
                float(np.median(relative)) if len(relative) else math.nan,
                float(np.mean(np.abs(off) <= bars)) if len(told) else math.nan,
                int(np.count_nonzero(sure)),
                float(np.sqrt(np.mean((off[sure] / true[sure]) ** 2))) if sure.any() else math.nan,
            )
        )
    return found


def table(trials: Sequence[Trial]) -> str:
    """The summaries as a table of Markdown, and what was told of files of a laboratory."""
    lines = [
        "| setting | told | median error | rms error | bars cover | bar < 10 % | rms of these |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in summaries(trials):
        rms_sure = f"{100 * one.rms_sure:.1f} %" if one.sure else "–"
        lines.append(
            f"| `{one.name}` | {one.told} of {one.asked} | {100 * one.median:.1f} % | "
            f"{100 * one.rms:.1f} % | {100 * one.covered:.0f} % | {one.sure} | {rms_sure} |"
        )
    filed = [one for one in trials if one.filed]
    told = sum("gain" in one.values for one in filed)
    seconds: list[Any] = sorted(one.seconds for one in trials)
    lines += [
        "",
        f"Files of a laboratory: gain told in {told} of {len(filed)}. "
        f"Seconds on one core: median {seconds[len(seconds) // 2]:.1f}, most {seconds[-1]:.1f}.",
    ]
    return "\n".join(lines)
