"""The three conditions, `clean`, `standard` and `hard`: one row of numbers for each setting.

`clean` is bright, sharp and steady, without a film. In `standard` an ideal observer (who knows
the physics and fits the particle) reads nearly every image right, in `hard` about seven in ten, on
the recipe `count` at 128 pixels. docs/ceiling.md says how well exactly, docs/recipes.md what each
number means.

`standard` is steady and has a detector of equal pulses: in so small a field, a usual drift or
jitter is a fraction of a pixel, and each of these would cost as much time as the rest of an image.
"""

from __future__ import annotations

from typing import Any

__all__ = ["NAMES", "settings"]

NAMES = ("clean", "standard", "hard")

_Row = tuple[Any, Any, Any]
_Table = dict[str, _Row]

#: Dose, probe, film, detector and stability, by setting of `ImagingSettings`.
IMAGING: _Table = {
    #                         clean            standard         hard
    "signal_e_px":          ((5000.0, 2e4),   (70.0, 270.0),   (25.0, 100.0)),
    "probe_fwhm_nm":        ((0.2, 0.4),      (0.4, 0.9),      (0.6, 1.4)),
    "film_nm":              ((0.0, 0.0),      (2.0, 15.0),     (5.0, 25.0)),
    "film_roughness":       ((0.0, 0.0),      (0.02, 0.10),    (0.05, 0.20)),
    "film_wedge_nm_per_um": ((0.0, 0.0),      (0.0, 5.0),      (0.0, 20.0)),
    "read_noise_e":         ((0.0, 0.0),      (0.0, 1.0),      (0.0, 2.0)),
    "excess_noise_factor":  ((1.0, 1.0),      (1.0, 1.0),      (1.0, 1.3)),
    "dwell_us":             ((4.0, 4.0),      (2.0, 8.0),      (1.0, 4.0)),
    "drift_nm_s":           ((0.0, 0.0),      (0.0, 0.0),      (0.0, 4.0)),
    "row_jitter_pm":        ((0.0, 0.0),      (0.0, 0.0),      (0.0, 150.0)),
    "mains_pm":             ((0.0, 0.0),      (0.0, 0.0),      (0.0, 150.0)),
}  # fmt: skip

#: How deep corners are deformed, by setting of `CornerSettings`.
CORNERS: _Table = {
    #                         clean            standard         hard
    "severity":             ((0.25, 0.5),     (0.20, 0.5),     (0.10, 0.5)),
    "displacement":         ((0.10, 0.20),    (0.10, 0.20),    (0.05, 0.20)),
    "least_visibility":     (3.0,             3.0,             2.0),
}  # fmt: skip

#: What differs in `shapes`, which reaches down to overview micrographs: particles a few pixels
#: across, blurred over a pixel, on a film not much darker than the smallest of them.
SHAPES: _Table = {
    #                         clean            standard         hard
    "signal_e_px":          ((5000.0, 2e4),   (50.0, 3000.0),  (10.0, 100.0)),
    "probe_fwhm_nm":        ((0.4, 0.8),      (0.7, 2.5),      (1.0, 3.0)),
    "film_nm":              ((0.0, 0.0),      (1.0, 40.0),     (5.0, 60.0)),
    "film_roughness":       ((0.0, 0.0),      (0.01, 0.05),    (0.02, 0.15)),
    "read_noise_e":         ((0.0, 0.0),      (0.0, 3.0),      (0.0, 3.0)),
}  # fmt: skip


def settings(table: _Table, conditions: str) -> dict[str, Any]:
    """One column of a table.

    Examples
    --------
    >>> settings(CORNERS, "hard")["severity"]
    (0.1, 0.5)
    """
    column = NAMES.index(conditions)
    return {key: row[column] for key, row in table.items()}
