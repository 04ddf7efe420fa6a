"""Conditions of a micrograph, and the TOML file that holds them."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stemfast.atomic import replacing
from stemfast.finding.detection import Contrast
from stemfast.matching.estimate import Estimate, told, untold
from stemfast.untrusted import settings_table

__all__ = ["Conditions", "read_conditions", "write_conditions"]

_WHY_NOT = "could_not_be_told"


@dataclass(frozen=True)
class Conditions:
    """Settings of microscope, background and particles that a micrograph was taken under.

    Each is an `Estimate`: a value with a 68 % error bar, or the reason why it could not be told.
    Lengths are in nm, or in px of an image without a scale; their `unit` says which.

    Attributes
    ----------
    file : str
        Name of the image.
    contrast : {"bright", "dark"}
        Whether particles are brighter or darker than what is around them.
    pixel_size : Estimate
        Side of a pixel [nm].
    probe_fwhm : Estimate
        Full width at half maximum of the probe.
    gain : Estimate
        Grey levels of one electron [grey/e].
    black_level : Estimate
        Grey level without electrons [grey].
    read_noise : Estimate
        Standard deviation of the electronic noise [e].
    signal_low, signal_median, signal_high : Estimate
        Electrons per pixel that particles add to the background, or take away from it: what 10, 50
        and 90 % of them stay below [e].
    background_level : Estimate
        Mean grey level around the particles [grey].
    background_electrons : Estimate
        The same in electrons [e].
    background_variance : Estimate
        Variance of the noise of a pixel there, read noise included [e].
    background_gradient : Estimate
        Change of the background from one side of the image to the other [grey].
    background_roughness : Estimate
        Standard deviation of its structure [grey].
    background_correlation : Estimate
        Distance over which the structure forgets itself.
    background_hurst : Estimate
        Hurst exponent of the structure.
    diameter_low, diameter_median, diameter_high : Estimate
        Diameters of the discs of the particles' areas: what 10, 50 and 90 % of them stay below.
    """

    file: str
    contrast: Contrast
    pixel_size: Estimate
    probe_fwhm: Estimate
    gain: Estimate
    black_level: Estimate
    read_noise: Estimate
    signal_low: Estimate
    signal_median: Estimate
    signal_high: Estimate
    background_level: Estimate
    background_electrons: Estimate
    background_variance: Estimate
    background_gradient: Estimate
    background_roughness: Estimate
    background_correlation: Estimate
    background_hurst: Estimate
    diameter_low: Estimate
    diameter_median: Estimate
    diameter_high: Estimate

    @property
    def estimates(self) -> dict[str, Estimate]:
        """All estimates by name, in order."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: one for name, one in found.items() if isinstance(one, Estimate)}

    def __str__(self) -> str:
        wide = max(map(len, self.estimates))
        lines, untold = [f"{self.file}: {self.contrast} particles"], dict[str, list[str]]()
        for name, one in self.estimates.items():
            if one.known:
                lines.append(f"{name:{wide}}  {one}")
            else:
                untold.setdefault(one.why_not, []).append(name)
        if untold:
            lines.append("could not be told:")
        lines += [f"  {', '.join(names)}: {why}" for why, names in untold.items()]
        return "\n".join(lines)


def write_conditions(path: str | Path, conditions: Conditions) -> Path:
    """Write conditions as TOML: a table for each estimate.

    Parameters
    ----------
    path : str or Path
        Replaced once the new file is complete.
    conditions : Conditions

    Returns
    -------
    Path
        The file.
    """
    lines = [
        "# Conditions of a micrograph, by stemfast match. Errors are 68 % error bars.",
        "# stemfast train NAME --like THIS-FILE trains a network on images like it.",
        f"file = {_quoted(conditions.file)}",
        f"contrast = {_quoted(conditions.contrast)}",
    ]
    for name, one in conditions.estimates.items():
        lines += ["", f"[{name}]"]
        if one.value is None:
            lines.append(f"{_WHY_NOT} = {_quoted(one.why_not)}")
        else:
            lines += [f"value = {_number(one.value)}", f"error = {_number(one.spread)}"]
        lines.append(f"unit = {_quoted(one.unit)}")
    target = Path(path)
    with replacing(target) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in safe) + '"'


def _number(value: float) -> str:
    text = f"{value:.6g}"
    return text if any(sign in text for sign in ".e") else f"{text}.0"


def read_conditions(path: str | Path) -> Conditions:
    """Read the file that `write_conditions` wrote, perhaps edited since.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Conditions

    Raises
    ------
    ValueError
        If it is no TOML, or an entry is missing, unknown or not what it should be.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "conditions.toml"
    >>> _ = path.write_text("contrast = 'bright'")
    >>> read_conditions(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: ...conditions.toml: file is missing, expected a file of stemfast match
    >>> folder.cleanup()
    """
    file = Path(path)
    entries = settings_table(file, "TOML")
    known = [one.name for one in fields(Conditions)]
    for key in entries:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"{file}: there is no entry {key!r}, expected {', '.join(known)}{hint}"
            )
    for key in known:
        if key not in entries:
            raise ValueError(f"{file}: {key} is missing, expected a file of stemfast match")
    if entries["contrast"] not in ("bright", "dark"):
        raise ValueError(f"{file}: contrast is {entries['contrast']!r}, expected bright or dark")
    return Conditions(
        str(entries["file"]),
        entries["contrast"],
        *(_estimate(file, key, entries[key]) for key in known[2:]),
    )


def _estimate(file: Path, key: str, entry: Any) -> Estimate:
    """One table of the file."""
    expected = "expected a table with value, error and unit, or with could_not_be_told"
    if not isinstance(entry, dict):
        raise ValueError(f"{file}: {key} is {entry!r}, {expected}")
    unit = str(entry.get("unit", ""))
    if _WHY_NOT in entry:
        return untold(str(entry[_WHY_NOT]), unit)
    unknown = set(entry) - {"value", "error", "unit"}
    numbers = [entry.get("value"), entry.get("error", 0.0)]
    if unknown or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
        for one in numbers
    ):
        raise ValueError(f"{file}: {key} is {entry!r}, {expected}")
    value, error = map(float, numbers)
    if error < 0:
        raise ValueError(f"{file}: {key}.error is {error:g}, expected at least 0")
    return told(value, error, unit)
