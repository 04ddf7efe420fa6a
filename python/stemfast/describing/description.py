"""Description of one particle, and its form as one row of a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.outline.corners import turns_deg
from stemfast.finding.outline.measure import brightness_moments

__all__ = ["LISTED", "Description", "column_names"]

Floats = NDArray[np.float64]
Cell: TypeAlias = str | int | float | bool | None

#: How many sides and turns of the outline have columns of their own.
LISTED = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Description:
    """The features of one particle.

    Places are x (to the right) and y (down) from the image's centre [nm].

    Attributes
    ----------
    flags : tuple of str
        What is doubtful: "several particles", "touches the border", "saturated", "small",
        "touches a neighbour".
    is_round : bool
        Whether an ellipse is the better outline than any polygon.
    outline_nm : ndarray, shape (n, 2)
        Corners of the outline [nm], turning from x towards y; of a round particle, points on it.
    interior_nm : ndarray, shape (m, 2)
        Projected 3-D corners within the outline [nm].
    creases_nm : ndarray, shape (k, 2, 2)
        Both ends of each straight crease, the projected 3-D edges within the outline [nm].
    crease_bends : ndarray, shape (k,)
        By how much the slope of the brightness changes across each, over the mean slope from the
        outline to the summit.
    area_nm2, perimeter_nm : float
        Of the outline [nm², nm].
    min_feret_nm, max_feret_nm : float
        Smallest and largest calliper width [nm].
    equivalent_diameter_nm : float
        Diameter of the disc of the same area [nm].
    convexity : float
        Area over the area of the convex hull.
    centroid_nm : (float, float)
        Centre of the area [nm].
    brightness : dict of str to float
        Moments; see `stemfast.finding.outline.measure.brightness_moments`.
    volume_nm3 : float or None
        Volume from calibrated intensity [nm³]; None without calibration.
    volume_note : str
        What the volume rests on, or why there is none.
    pixel_size_nm : float
        Pixel size [nm].
    """

    flags: tuple[str, ...]
    is_round: bool
    outline_nm: Floats
    interior_nm: Floats
    creases_nm: Floats
    crease_bends: Floats
    area_nm2: float
    perimeter_nm: float
    min_feret_nm: float
    max_feret_nm: float
    equivalent_diameter_nm: float
    convexity: float
    centroid_nm: tuple[float, float]
    brightness: dict[str, float]
    volume_nm3: float | None
    volume_note: str
    pixel_size_nm: float

    @property
    def n_vertices(self) -> int:
        """Number of corners of the outline; 0 of a round one."""
        return 0 if self.is_round else len(self.outline_nm)

    @property
    def corners_nm(self) -> Floats:
        """All projected corners, those of the outline first, shape (c, 2) [nm]."""
        return np.concatenate([self.outline_nm[: self.n_vertices], self.interior_nm])

    @property
    def distances_nm(self) -> Floats:
        """Distance between any two of `corners_nm`, shape (c, c) [nm]."""
        apart = self.corners_nm[:, None] - self.corners_nm[None]
        distances: Floats = np.hypot(apart[..., 0], apart[..., 1])
        return distances

    def row(self) -> dict[str, Cell]:
        """One row of the table: the columns of `column_names`, None where there is no value."""
        pairs = self.distances_nm[np.triu_indices(len(self.corners_nm), 1)]
        lengths = np.hypot(*(self.creases_nm[:, 1] - self.creases_nm[:, 0]).T)
        row: dict[str, Cell] = {
            "flags": "; ".join(self.flags),
            "is_round": self.is_round,
            "n_vertices": self.n_vertices,
            "n_interior_corners": len(self.interior_nm),
            "n_creases": len(self.creases_nm),
            "crease_length_nm": float(lengths.sum()),
            "crease_bend": float(self.crease_bends.mean()) if len(lengths) else None,
            "min_corner_distance_nm": float(pairs.min()) if len(pairs) else None,
            "mean_corner_distance_nm": float(pairs.mean()) if len(pairs) else None,
            "max_corner_distance_nm": float(pairs.max()) if len(pairs) else None,
            "area_nm2": self.area_nm2,
            "perimeter_nm": self.perimeter_nm,
            "min_feret_nm": self.min_feret_nm,
            "max_feret_nm": self.max_feret_nm,
            "equivalent_diameter_nm": self.equivalent_diameter_nm,
            "convexity": self.convexity,
            "circularity": 4.0 * math.pi * self.area_nm2 / self.perimeter_nm**2,
            "centroid_x_nm": self.centroid_nm[0],
            "centroid_y_nm": self.centroid_nm[1],
            **self.brightness,
            "volume_nm3": self.volume_nm3,
            **_listed("side_{}_nm", self._sides_nm()),
            **_listed("turn_{}_deg", self._turns_deg()),
        }
        return row

    def _sides_nm(self) -> Floats:
        if self.is_round:
            return np.empty(0)
        sides: Floats = np.hypot(*(np.roll(self.outline_nm, -1, axis=0) - self.outline_nm).T)
        return np.sort(sides)[::-1]

    def _turns_deg(self) -> Floats:
        return np.empty(0) if self.is_round else np.sort(turns_deg(self.outline_nm))[::-1]

    def __str__(self) -> str:
        return self.words("nm")

    def words(self, unit: str) -> str:
        """One line about it, its lengths said to be in a unit."""
        shape = "round" if self.is_round else f"{self.n_vertices} corners"
        volume = "" if self.volume_nm3 is None else f", {self.volume_nm3:.0f} {unit}³"
        doubt = f" ({'; '.join(self.flags)})" if self.flags else ""
        return (
            f"{shape}, {len(self.interior_nm)} within, {self.min_feret_nm:.1f} × "
            f"{self.max_feret_nm:.1f} {unit}, {self.area_nm2:.0f} {unit}²{volume}{doubt}"
        )


def _listed(name: str, values: Floats) -> dict[str, Cell]:
    padded = [*values[:LISTED].tolist(), *[None] * LISTED][:LISTED]
    return {name.format(k + 1): value for k, value in enumerate(padded)}


def column_names() -> tuple[str, ...]:
    """Columns of the table, in order.

    Examples
    --------
    >>> column_names()[:3]
    ('flags', 'is_round', 'n_vertices')
    """
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    return tuple(
        Description(
            flags=(),
            is_round=False,
            outline_nm=square,
            interior_nm=np.empty((0, 2)),
            creases_nm=np.empty((0, 2, 2)),
            crease_bends=np.empty(0),
            area_nm2=1.0,
            perimeter_nm=4.0,
            min_feret_nm=1.0,
            max_feret_nm=1.0,
            equivalent_diameter_nm=1.0,
            convexity=1.0,
            centroid_nm=(0.0, 0.0),
            brightness=brightness_moments(np.ones((2, 2)), np.ones((2, 2), bool)),
            volume_nm3=None,
            volume_note="",
            pixel_size_nm=1.0,
        ).row()
    )
