"""The microscopes of many images as a structure of arrays, in the form that the C++ core takes.

A recipe varies dose, probe, film and detector from image to image. `Imaging.microscope` gives the
friendly object of any one image; that both take the same image, bit for bit, is tested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import materials, units
from stemfast.microscope import Beam, Detector, Film, Haadf, Instability, Microscope, Probe, Scan
from stemfast.scattering import Collection
from stemfast.simulation.batch import Batch
from stemfast.simulation.columns import stray_column
from stemfast.simulation.contrast import Contrast, image_contrast
from stemfast.simulation.recording import recording_columns

__all__ = ["Imaging"]

Float: TypeAlias = NDArray[np.float64]

_ONE_FOR_ALL = (
    "image_px",
    "pixel_size_nm",
    "bits",
    "energy_kev",
    "convergence_mrad",
    "inner_mrad",
    "outer_mrad",
)
_VECTORS = ("drift_nm_s", "mains_pm")


@dataclass(frozen=True, eq=False, kw_only=True)
class Imaging:
    """Acquisition columns of n images; meanings and units as in `stemfast.Microscope`.

    Parameters
    ----------
    image_px : int
        Rows and columns of the square images.
    pixel_size_nm, energy_kev, convergence_mrad, inner_mrad, outer_mrad : float
        The same for all images.
    bits : 8, 16 or None
        Bits of a pixel; None for float32.
    electrons_px : (n,) array_like
        Electrons that arrive in each pixel [e/px]; their number is the number of images.
    drift_nm_s, mains_pm : (2,) or (n, 2) array_like
        Along x and y.
    mains_phase_turns : float or (n,) array_like
        Phase of the mains ripple at the start [turns].
    dwell_us, flyback_us, … : float or (n,) array_like
        As in the parts of `Microscope`.

    Examples
    --------
    >>> imaging = Imaging(image_px=64, pixel_size_nm=0.5, electrons_px=[500.0, 900.0], film_nm=4)
    >>> len(imaging), round(imaging.microscope(1).electrons_per_pixel)
    (2, 900)
    """

    image_px: int
    pixel_size_nm: float
    electrons_px: ArrayLike
    bits: Literal[8, 16] | None = 16
    energy_kev: float = 200.0
    convergence_mrad: float = 20.0
    inner_mrad: float = 60.0
    outer_mrad: float = 200.0
    dwell_us: ArrayLike = 4.0
    flyback_us: ArrayLike = 60.0
    probe_fwhm_nm: ArrayLike = 0.5
    film_nm: ArrayLike = 0.0
    film_roughness_nm: ArrayLike = 0.0
    film_correlation_nm: ArrayLike = 8.0
    film_hurst: ArrayLike = 0.7
    film_wedge_nm_per_um: ArrayLike = 0.0
    film_wedge_direction_deg: ArrayLike = 0.0
    gain: ArrayLike = 1.0
    offset: ArrayLike = 0.0
    read_noise: ArrayLike = 0.0
    excess_noise_factor: ArrayLike = 1.0
    drift_nm_s: ArrayLike = (0.0, 0.0)
    row_jitter_pm: ArrayLike = 0.0
    mains_pm: ArrayLike = (0.0, 0.0)
    mains_phase_turns: ArrayLike = 0.0

    def __post_init__(self) -> None:
        count = len(np.atleast_1d(np.asarray(self.electrons_px)))
        for entry in fields(self):
            if entry.name in _ONE_FOR_ALL:
                continue
            shape = (count, 2) if entry.name in _VECTORS else (count,)
            values = np.asarray(getattr(self, entry.name), np.float64)
            try:
                values = np.ascontiguousarray(np.broadcast_to(values, shape))
            except ValueError:
                raise ValueError(
                    f"{entry.name} has shape {values.shape}, expected {shape}: one per image"
                ) from None
            if not np.isfinite(values).all():
                raise ValueError(f"{entry.name} must be finite")
            object.__setattr__(self, entry.name, values)

    def __len__(self) -> int:
        return len(self._of("electrons_px"))

    def _of(self, name: str) -> Float:
        values: Float = getattr(self, name)
        return values

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return Detector(bits=self.bits).dtype

    @property
    def collection(self) -> Collection:
        """Energy, illumination and angles that decide how much is scattered onto the detector."""
        return Collection(self.energy_kev, self.inner_mrad, self.outer_mrad, self.convergence_mrad)

    def contrast(self, batch: Batch) -> Contrast:
        """Contrast of a batch that shows these images."""
        return image_contrast(
            batch,
            [self.collection],
            [Film().material],
            np.zeros(len(self), np.int64),
            self._of("film_nm") > 0.0,
        )

    def scanning(self, spin_rad_s: Float) -> dict[str, Any]:
        """Arguments of `_core.Scanning`; spin_rad_s (n, 3)."""
        n = len(self)
        # What recipes leave alone is as in an instability of which nothing is said.
        stray = np.repeat(stray_column([Instability()]), n)
        stray["drift_x"], stray["drift_y"] = self._of("drift_nm_s").T
        stray["row_jitter"] = self._of("row_jitter_pm") * 1e-3
        stray["mains_x"], stray["mains_y"] = self._of("mains_pm").T * 1e-3
        stray["mains_phase"] = self._of("mains_phase_turns")
        return {
            "oversample": 1,
            "pose_per_pixel": False,
            "pixel_size": np.full(n, self.pixel_size_nm),
            "dwell": self._of("dwell_us") * 1e-6,
            "flyback": self._of("flyback_us") * 1e-6,
            "stray": stray,
            "frame": np.zeros(n, np.int64),
            "spin": np.ascontiguousarray(spin_rad_s),
            "path_offset": np.zeros(n + 1, np.int64),
            "path_time": np.zeros(0),
            "path_turn": np.zeros((0, 4)),
        }

    def recording(self) -> dict[str, Any]:
        """The columns of `_core.simulate`, apart from `curve` and `clipped`."""
        # What recipes leave alone is as in a microscope of which nothing is said.
        same = Microscope(scan=self._scan())
        columns = recording_columns([same], np.zeros(len(self), np.int64))
        path = materials.get(same.film.material).scattering_curve(self.collection).mean_free_path_nm
        film = columns["film"]
        film["depth"] = self._of("film_nm") / path
        film["roughness"] = self._of("film_roughness_nm") / path
        film["correlation"] = self._of("film_correlation_nm")
        film["hurst"] = self._of("film_hurst")
        film["wedge"] = self._of("film_wedge_nm_per_um") * 1e-3 / path
        film["wedge_direction"] = self._of("film_wedge_direction_deg")
        fwhm_per_sigma = units.fwhm_from_sigma(1.0)
        current = self._current_pa()
        return columns | {
            "probe_sigma": self._of("probe_fwhm_nm") / fwhm_per_sigma / self.pixel_size_nm,
            "electrons": current * self._of("dwell_us") * units.electrons(1.0, 1.0),
            "gain": self._of("gain"),
            "offset": self._of("offset"),
            "read_noise": self._of("read_noise"),
            "excess_noise": self._of("excess_noise_factor") - 1.0,
        }

    def _scan(self, **others: Any) -> Scan:
        shape = (self.image_px, self.image_px)
        return Scan(shape=shape, pixel_size_nm=self.pixel_size_nm, **others)

    def _current_pa(self) -> Float:
        # In the same order as `units.current_pa`, so that a `Microscope` has the same electrons.
        return self._of("electrons_px") / units.electrons(1.0, 1.0) / self._of("dwell_us")

    def microscope(self, image: int) -> Microscope:
        """The microscope of one image."""
        own = {
            entry.name: getattr(self, entry.name)[image].tolist()
            for entry in fields(self)
            if entry.name not in _ONE_FOR_ALL
        }
        return Microscope(
            scan=self._scan(
                dwell_us=own["dwell_us"],
                flyback_us=own["flyback_us"],
                instability=Instability(
                    drift_nm_s=tuple(own["drift_nm_s"]),
                    row_jitter_pm=own["row_jitter_pm"],
                    mains_pm=tuple(own["mains_pm"]),
                    mains_phase_rad=own["mains_phase_turns"] * 2 * math.pi,
                ),
            ),
            beam=Beam(
                energy_kev=self.energy_kev,
                current_pa=float(self._current_pa()[image]),
                convergence_mrad=self.convergence_mrad,
            ),
            probe=Probe(fwhm_nm=own["probe_fwhm_nm"]),
            haadf=Haadf(inner_mrad=self.inner_mrad, outer_mrad=self.outer_mrad),
            film=Film(
                thickness_nm=own["film_nm"],
                roughness_nm=own["film_roughness_nm"],
                correlation_nm=own["film_correlation_nm"],
                hurst=own["film_hurst"],
                wedge_nm_per_um=own["film_wedge_nm_per_um"],
                wedge_direction_deg=own["film_wedge_direction_deg"],
            ),
            detector=Detector(
                bits=self.bits,
                gain=own["gain"],
                offset=own["offset"],
                read_noise=own["read_noise"],
                excess_noise_factor=own["excess_noise_factor"],
            ),
        )
