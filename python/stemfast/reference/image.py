"""From thickness to the expected share of the beam, and the detector's afterglow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.microscope import Microscope, Scan
from stemfast.particles import Particle
from stemfast.reference.film import film_thickness
from stemfast.reference.solids import thickness
from stemfast.scattering import ScatteringCurve

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]


def gaussian_blur(image: Float, sigma: float, boundary: str = "nearest") -> Float:
    """Blur by a Gaussian cut at four standard deviations [px], by summing shifted copies.

    Examples
    --------
    >>> bool(np.allclose(gaussian_blur(np.ones((5, 4)), 1.0), 1.0))
    True
    """
    radius = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    mode = {"nearest": "edge", "reflect": "symmetric"}[boundary]
    out = np.asarray(image, np.float64)
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (radius, radius)
        padded = np.pad(out, width, mode=mode)  # type: ignore[call-overload]
        out = sum(
            w * np.take(padded, np.arange(k, k + out.shape[axis]), axis)
            for k, w in enumerate(kernel)
        )
    return np.asarray(out)


def lorentzian_blur(image: Float, gamma: float) -> Float:
    """Convolve with (1 + r²/γ²)^(-3/2)/(2πγ²) [px], the image mirrored past its edges.

    The Fourier transform of that profile is exp(-γ|k|), and a mirrored image is a sum of cosines.

    Examples
    --------
    >>> image = np.zeros((4, 5))
    >>> image[1, 2] = 1.0
    >>> round(float(lorentzian_blur(image, 2.0).sum()), 12)
    1.0
    """
    wave, cosines = [], []
    for n in image.shape:
        order = np.arange(n)
        wave.append(np.pi * order / n)
        basis = np.sqrt(2.0 / n) * np.cos(np.outer(wave[-1], order + 0.5))
        basis[0] /= np.sqrt(2.0)
        cosines.append(basis)
    k = np.hypot(wave[0][:, None], wave[1][None, :])
    spectrum = cosines[0] @ image @ cosines[1].T
    return np.asarray(cosines[0].T @ (np.exp(-gamma * k) * spectrum) @ cosines[1])


def focused_fraction(
    scattering: Float,
    voxel_nm: float,
    pixel_nm: float,
    sigma_nm: float,
    angle: float,
    focus_nm: float,
    curve: ScatteringCurve,
) -> Float:
    """Return the scattered share of the beam through a volume, each layer blurred by its own width.

    Parameters
    ----------
    scattering : (layers, rows, columns)
        Inverse mean free path [1/nm] on the scan's columns of the volume, centred on z = 0.
    voxel_nm, pixel_nm : float
        Thickness of a layer and size of a pixel [nm].
    sigma_nm, angle, focus_nm : float
        Standard deviation of the probe in focus [nm], convergence semi-angle [rad], z of the focus.
    curve : ScatteringCurve
        From depths in mean free paths to the scattered fraction.

    Examples
    --------
    >>> slab, plain = np.full((10, 4, 4), 0.1), ScatteringCurve(1.0, (0.0, 0.0, 0.0), 9.0, 1.0)
    >>> round(float(focused_fraction(slab, 1.0, 1.0, 0.5, 0.02, 0.0, plain)[1, 2]), 6)
    0.632121
    """
    depth = np.zeros(scattering.shape[1:])
    total = np.zeros_like(depth)
    for k, layer in enumerate(scattering):
        z = (k - (len(scattering) - 1) / 2) * voxel_nm
        share = curve.fraction(depth + layer * voxel_nm) - curve.fraction(depth)
        depth = depth + layer * voxel_nm
        total += gaussian_blur(share, math.hypot(sigma_nm, angle * (z - focus_nm) / 2) / pixel_nm)
    return total


def detected_fraction(
    particle: Particle,
    orientation: Rotation,
    microscope: Microscope,
    *,
    seed: int = 0,
    index: int = 0,
    **where: ArrayLike,
) -> Float:
    """Return the expected share of the beam on the detector, (rows, columns), probe included.

    A rough film depends on the image's seed and index.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> scope = Microscope(scan=Scan(shape=(8, 8)))
    >>> float(detected_fraction(sf.Sphere(radius=9), Rotation.identity(), scope).max()) < 0.3
    True
    """
    jitter = where.get("jitter_nm")
    film = film_thickness(
        microscope.film,
        microscope.scan,
        seed=seed,
        index=index,
        jitter_nm=None if jitter is None else np.asarray(jitter, np.float64),
    )
    depth = film / microscope.mean_free_path_nm(microscope.film.material)
    for material in particle.volumes:
        t = thickness(particle, orientation, microscope.scan, material=material, **where)  # type: ignore[arg-type]
        depth = depth + t / microscope.mean_free_path_nm(material)
    film_of = [microscope.film.material] * (microscope.film.thickness_nm > 0)
    fraction = microscope.scattering_curve(*particle.volumes, *film_of).fraction(depth)
    sigma = microscope.probe.sigma_nm / microscope.scan.pixel_size_nm
    fraction = gaussian_blur(fraction, sigma) if sigma > 0 else fraction
    tail, gamma = microscope.probe.tail_fraction, microscope.probe.tail_gamma_nm
    if tail > 0:
        far = lorentzian_blur(fraction, gamma / microscope.scan.pixel_size_nm)
        fraction = (1 - tail) * fraction + tail * far
    return np.asarray(fraction if microscope.bright_field is None else 1.0 - fraction)


def afterglow(charge: Float, decay_us: float, scan: Scan) -> Float:
    """Return the charge as a scintillator gives it off: see `Detector.decay_us`.

    Examples
    --------
    >>> scan = Scan(shape=(1, 3), dwell_us=1)
    >>> afterglow(np.array([[1.0, 0, 0]]), 1 / np.log(2), scan).round(12).tolist()
    [[0.5, 0.25, 0.125]]
    """
    rows, columns = charge.shape
    keep = math.exp(-scan.dwell_us / decay_us)
    lost = math.exp(-scan.flyback_us / decay_us)
    charge = np.asarray(charge, np.float64)
    recorded, glow = np.zeros(charge.shape), 0.0
    for i in range(rows):
        for j in range(columns):
            glow += charge[i, j]
            recorded[i, j] = (1 - keep) * glow
            glow *= keep
        glow *= lost
    return recorded
