"""Films and beam instabilities of many images, as columns of records for the C++ core."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.microscope import Instability, Microscope

Records: TypeAlias = NDArray[np.void]
Given = TypeVar("Given")
Found = TypeVar("Found")


class Remembered(Generic[Given, Found]):
    """A function of an immutable object that is worked out once in that object's life.

    Objects are told apart by identity: to compare settings or particles takes longer than the core
    takes for an image.

    Parameters
    ----------
    function : callable
        Of one object that can be referred to weakly. Callers must not change what it returns.

    Examples
    --------
    >>> film_of = Remembered(lambda scope: film_column([scope]))
    >>> scope = Microscope()
    >>> film_of(scope) is film_of(scope)
    True
    """

    def __init__(self, function: Callable[[Given], Found]) -> None:
        self._function = function
        self._kept: dict[int, tuple[ref[Given], Found]] = {}

    def __call__(self, given: Given) -> Found:
        """Return what the function makes of it."""
        key = id(given)
        kept = self._kept.get(key)
        if kept is not None and kept[0]() is given:
            return kept[1]
        found = self._function(given)
        self._kept[key] = ref(given, lambda _: self._kept.pop(key, None)), found
        return found


def film_column(scopes: Sequence[Microscope]) -> Records:
    """Return the film of each microscope, thicknesses in mean free paths.

    Examples
    --------
    >>> film = film_column([Microscope()])[0]
    >>> round(float(film["depth"]), 6), float(film["roughness"]), float(film["correlation"])
    (0.000917, 0.0, 8.0)
    """
    return _records(_core.film_dtype, [_film(scope) for scope in scopes])


def stray_column(instabilities: Sequence[Instability]) -> Records:
    """Return how the beam strays from its grid under each instability.

    Examples
    --------
    >>> stray = stray_column([Instability(), Instability(row_jitter_pm=30)])
    >>> stray["row_jitter"].tolist(), stray["mains_rate"].tolist()
    ([0.0, 0.03], [50.0, 50.0])
    """
    return _records(_core.stray_dtype, [_stray(instability) for instability in instabilities])


def _records(dtype: np.dtype[np.void], rows: Sequence[Mapping[str, float]]) -> Records:
    names = dtype.names or ()
    return np.array([tuple(row[name] for name in names) for row in rows], dtype)


def _film(scope: Microscope) -> dict[str, float]:
    film = scope.film
    path = scope.mean_free_path_nm(film.material)
    return {
        "depth": film.thickness_nm / path,
        "roughness": film.roughness_nm / path,
        "correlation": film.correlation_nm,
        "hurst": film.hurst,
        "wedge": film.wedge_nm_per_um * 1e-3 / path,
        "wedge_direction": film.wedge_direction_deg,
        "edge_distance": 0.0 if film.hole_distance_nm is None else film.hole_distance_nm,
        "edge_direction": film.hole_direction_deg,
        "edge_curvature": 0.0 if film.hole_radius_nm is None else 1.0 / film.hole_radius_nm,
        "edge_taper": -1.0 if film.hole_distance_nm is None else film.hole_taper_nm,
    }


def _stray(instability: Instability) -> dict[str, float]:
    return {
        "drift_x": instability.drift_nm_s[0],
        "drift_y": instability.drift_nm_s[1],
        "drift_decay": instability.drift_decay_s or 0.0,
        "row_jitter": instability.row_jitter_pm * 1e-3,
        "mains_x": instability.mains_pm[0] * 1e-3,
        "mains_y": instability.mains_pm[1] * 1e-3,
        "mains_rate": instability.mains_hz,
        "mains_phase": instability.mains_phase_rad / (2 * math.pi),
        "lag": instability.flyback_lag_nm,
        "lag_decay": instability.flyback_lag_us * 1e-6,
    }
