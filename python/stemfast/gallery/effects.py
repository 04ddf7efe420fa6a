"""Panels of the microscope's effects on one image, and of the dose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stemfast import units
from stemfast.gallery.shapes import MICROSCOPE
from stemfast.microscope import Beam, Detector, Film, Instability, Microscope, Probe, Scan
from stemfast.particles import Cuboid, Truncation
from stemfast.simulation.simulate import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial.transform import Rotation

    Panels = tuple[list[NDArray[Any]], list[str]]

_CUBOID = Cuboid(edges=(22, 18, 16), corners={7: Truncation(0.4)})


def _pose() -> Rotation:
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("zx", [15, -30], degrees=True)


def _shaky(**motion: Any) -> Scan:
    return MICROSCOPE.scan.replace(instability=Instability(**motion))


def effect_scenes(seed: int) -> Panels:
    """One particle, with every effect alone, from none to strong.

    Parameters
    ----------
    seed : int

    Returns
    -------
    images : list of (H, W) arrays
    titles : list of str

    Examples
    --------
    >>> images, titles = effect_scenes(0)
    >>> titles[0], len(images) == len(titles)
    ('none', True)
    """
    dim = Beam(current_pa=6)
    changes: dict[str, dict[str, Any]] = {
        "none": {},
        "probe 2 nm wide": {"probe": Probe(fwhm_nm=2)},
        "tail: 40 % in 6 nm": {"probe": Probe(tail_fraction=0.4, tail_fwhm_nm=6)},
        "focus 120 nm off": {"probe": Probe(depth_of_focus=True, focus_nm=120)},
        "drift 80 nm/s": {"scan": _shaky(drift_nm_s=(80, 30))},
        "row jitter 400 pm": {"scan": _shaky(row_jitter_pm=400)},
        "mains ripple 1 nm": {"scan": _shaky(mains_pm=(1000, 0))},
        "fly-back lag 6 nm": {"scan": _shaky(flyback_lag_nm=6, flyback_lag_us=60)},
        "film 30 nm, 6 pA": {"film": Film(thickness_nm=30), "beam": dim},
        "rough by 9 nm": {"film": Film(roughness_nm=9, thickness_nm=30), "beam": dim},
        "wedge 0.6 nm/nm": {"film": Film(wedge_nm_per_um=600, thickness_nm=30), "beam": dim},
        "edge of a hole": {"film": Film(hole_distance_nm=4, thickness_nm=30), "beam": dim},
        "6 pA": {"beam": dim},
        "read noise 6": {"detector": Detector(offset=30, read_noise=6)},
        "excess noise factor 2": {"detector": Detector(excess_noise_factor=2)},
        "afterglow 12 us": {"detector": Detector(decay_us=12)},
        "8 bits, gain 4": {"detector": Detector(bits=8, gain=4)},
        "8 bits, offset −40": {"detector": Detector(bits=8, offset=-40)},
    }
    images: list[NDArray[Any]] = [
        simulate(_CUBOID, _pose(), MICROSCOPE.replace(**change), seed=seed, saturation="ignore")
        for change in changes.values()
    ]
    return images, list(changes)


def dose_scenes(seed: int) -> Panels:
    """One particle at doses from 1 to 1000 electrons a pixel.

    Parameters
    ----------
    seed : int

    Returns
    -------
    images : list of (H, W) arrays
    titles : list of str

    Examples
    --------
    >>> dose_scenes(0)[1]
    ['1 e⁻/px', '10 e⁻/px', '100 e⁻/px', '1000 e⁻/px']
    """
    doses = (1, 10, 100, 1000)
    microscopes: list[Microscope] = [
        MICROSCOPE.replace(
            beam=Beam(current_pa=units.current_pa(dose, MICROSCOPE.scan.dwell_us)),
            film=Film(thickness_nm=10, roughness_nm=2),
        )
        for dose in doses
    ]
    images = simulate(_CUBOID, _pose(), microscopes, seed=seed)
    return list(images), [f"{dose} e⁻/px" for dose in doses]
