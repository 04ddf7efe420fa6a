"""Recording settings as the columns that the core takes, one entry an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.microscope import Microscope
from stemfast.scattering import Collection
from stemfast.simulation.batch import Batch, Int
from stemfast.simulation.columns import Remembered, film_column
from stemfast.simulation.contrast import Contrast, image_contrast
from stemfast.simulation.motion import drift_reach_nm

_USUAL = Microscope()


def microscope_list(
    microscope: Microscope | Sequence[Microscope] | None,
) -> tuple[list[Microscope], int]:
    """Return the microscopes and the number of images they stand for (0: any).

    Raises
    ------
    TypeError, ValueError
        If something is not a Microscope, or they differ in what a batch has in common.

    Examples
    --------
    >>> microscope_list(None)[1], microscope_list([Microscope()] * 3)[1]
    (0, 3)
    """
    if microscope is None:
        return [_USUAL], 0
    if isinstance(microscope, Microscope):
        return [microscope], 0
    if not isinstance(microscope, Sequence):
        raise TypeError(
            "microscope must be a Microscope or a sequence of them, "
            f"got {type(microscope).__name__}"
        )
    scopes = list(microscope)
    if not scopes:
        raise ValueError("microscope is empty, expected at least one Microscope")
    for i, scope in enumerate(scopes):
        if not isinstance(scope, Microscope):
            raise TypeError(f"microscope[{i}] must be a Microscope, got {type(scope).__name__}")
        for what, mine, others in (
            ("scan.shape", scope.scan.shape, scopes[0].scan.shape),
            ("detector.bits", scope.detector.bits, scopes[0].detector.bits),
        ):
            if mine != others:
                raise ValueError(
                    f"microscope[{i}] has {what} {mine}, the first has {others}: "
                    "images of one batch must be alike in this"
                )
    return scopes, len(scopes)


def recording_columns(scopes: Sequence[Microscope], pick: Int) -> dict[str, Any]:
    """Return how each image is recorded, as columns of `_core.simulate`, all but the curve.

    Parameters
    ----------
    scopes : sequence of Microscope
        The different microscopes.
    pick : (n,) int64
        Which of them takes each image.

    Returns
    -------
    dict of str to array
        One entry per image in each; "film" is that of `film_column`.

    Examples
    --------
    >>> columns = recording_columns([Microscope()], np.zeros(3, np.int64))
    >>> columns["gain"].tolist(), columns["film"].shape
    ([1.0, 1.0, 1.0], (3,))
    """
    each = _of_one_microscope(scopes[0]) if len(scopes) == 1 else _of_microscopes(scopes)
    return {name: column.take(pick) for name, column in each.items()}


def _of_microscopes(scopes: Sequence[Microscope]) -> dict[str, NDArray[Any]]:
    columns: dict[str, Callable[[Microscope], object]] = {
        "probe_sigma": lambda m: m.probe.sigma_nm / m.scan.pixel_size_nm,
        "electrons": lambda m: m.electrons_per_pixel,
        "gain": lambda m: m.detector.gain,
        "offset": lambda m: m.detector.offset,
        "read_noise": lambda m: m.detector.read_noise,
        "tail_fraction": lambda m: m.probe.tail_fraction,
        "tail_gamma": lambda m: m.probe.tail_gamma_nm / m.scan.pixel_size_nm,
        "excess_noise": lambda m: m.detector.excess_noise_factor - 1.0,
        "convergence": lambda m: m.beam.convergence_mrad * 1e-3 * m.probe.depth_of_focus,
        "focus": lambda m: m.probe.focus_nm,
        "slabs": lambda m: m.probe.slabs,
        "decay": lambda m: m.detector.decay_us * 1e-6,
    }
    numbers = {name: np.array([value(m) for m in scopes]) for name, value in columns.items()}
    bright = np.array([scope.bright_field is not None for scope in scopes], np.uint8)
    return numbers | {"film": film_column(scopes), "bright_field": bright}


_of_one_microscope = Remembered[Microscope, dict[str, NDArray[Any]]](
    lambda scope: _of_microscopes([scope])
)
_collection = Remembered[Microscope, Collection](lambda scope: scope.collection)


def contrast_of(batch: Batch, scopes: Sequence[Microscope], pick: Int) -> Contrast:
    """Return the contrast of each image.

    Parameters
    ----------
    batch : Batch
        What is seen.
    scopes, pick
        As in `recording_columns`.
    """
    return image_contrast(
        batch,
        [_collection(scope) for scope in scopes],
        [scope.film.material for scope in scopes],
        pick,
        np.array([scope.film.thickness_nm > 0 for scope in scopes])[pick],
    )


def require_countable(scopes: Sequence[Microscope]) -> None:
    """Refuse more electrons a pixel than the counts have room for."""
    electrons = max(scope.electrons_per_pixel for scope in scopes)
    if electrons > 2**30:
        raise ValueError(
            f"microscope sends {electrons:.3g} electrons to each pixel, expected at most 2^30: "
            "lower beam.current_pa or scan.dwell_us"
        )


def require_focused(scopes: Sequence[Microscope], batch: Batch, pick: Int) -> None:
    """Refuse a particle so far out of focus that its blur is wider than the field."""
    if not any(scope.probe.depth_of_focus for scope in scopes):
        return
    depth, image = batch.position[:, 2], batch.image_of_body
    for number, scope in enumerate(scopes):
        for z in np.unique(depth[pick[image] == number]):
            width = scope.probe.fwhm_at_nm(float(z), scope.beam.convergence_mrad)
            if width > min(scope.scan.field_nm):
                raise ValueError(
                    f"a particle at z = {z:g} nm is seen by a probe {width:.3g} nm wide, wider "
                    "than the field: move it or probe.focus_nm, or lower beam.convergence_mrad"
                )


def require_film(scopes: Sequence[Microscope], frames: int) -> None:
    """Refuse a drift that carries the beam to where the film's wedge has run out."""
    for scope in scopes:
        film = scope.film
        if film.wedge_nm_per_um == 0:
            continue
        drift = np.array(drift_reach_nm(scope.scan, frames))
        angle = np.radians(film.wedge_direction_deg)
        uphill = film.wedge_nm_per_um * 1e-3 * np.array([np.cos(angle), np.sin(angle)])
        half = np.array(scope.scan.field_nm[::-1]) / 2
        thinnest = film.thickness_nm - np.abs(uphill) @ half + min(0.0, float(uphill @ drift))
        if drift.any() and thinnest < 3 * film.roughness_nm:
            raise ValueError(
                "scan.instability.drift_nm_s moves the beam to where the film is "
                f"{thinnest:.3g} nm thin, expected at least 3 film.roughness_nm: lower it or "
                "film.wedge_nm_per_um"
            )
