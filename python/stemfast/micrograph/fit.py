"""A sphere's image fitted to a particle, to see if intensity follows projected thickness."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stemfast.arguments import finite_number, index, require_memory
from stemfast.micrograph.files import calibration
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.read import checked_image
from stemfast.micrograph.find import FoundParticle

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SUPERSAMPLE = 5
_PARAMETERS = 6
_MAX_BLUR = 3.0


@dataclass(frozen=True, eq=False)
class SphereFit:
    """A sphere fitted to a particle.

    Parameters
    ----------
    row_px, col_px : float
        Centre [px].
    radius_nm : float
        Radius of the sphere [nm].
    blur_sigma_nm : float
        Standard deviation of the Gaussian blur [nm].
    amplitude_per_nm : float
        Intensity per nm of thickness.
    offset : float
        Intensity of the film.
    r_squared : float
        1 - (residual sum of squares) / (total sum of squares) over the fitted pixels.
    model : ndarray of float32, shape (rows, columns)
        The fitted image, over the whole field.
    """

    row_px: float
    col_px: float
    radius_nm: float
    blur_sigma_nm: float
    amplitude_per_nm: float
    offset: float
    r_squared: float
    model: npt.NDArray[np.float32] = field(repr=False)


def fit_sphere(
    image: npt.ArrayLike, mask: npt.NDArray[np.bool_], pixel_size_nm: float
) -> SphereFit:
    """Fit ``offset + amplitude · (2 sqrt(r² - rho²) ⊗ Gaussian)`` to the pixels in `mask`.

    Least squares in centre, radius, blur, amplitude and offset. The thickness is averaged over
    the area of each pixel.

    Parameters
    ----------
    image : array_like, shape (rows, columns)
        Intensity, which at these thicknesses is proportional to the thickness of material.
    mask : ndarray of bool, shape (rows, columns)
        Pixels to fit: the particle and some film around it, without its neighbours
        (`sphere_fit_mask`).
    pixel_size_nm : float
        Pixel size [nm].

    Returns
    -------
    SphereFit

    Raises
    ------
    MicrographError
        Mask of another shape or type, too few pixels for six parameters, nothing bright in it,
        or a fit that did not converge.

    Examples
    --------
    >>> import numpy as np
    >>> image = 3.0 + 2.0 * sphere_thickness((40, 40), 19.0, 21.5, radius=9.0, sigma=1.2)
    >>> fit = fit_sphere(image, np.ones((40, 40), bool), pixel_size_nm=0.5)
    >>> round(fit.row_px, 2), round(fit.col_px, 2), round(fit.radius_nm, 2)
    (19.0, 21.5, 4.5)
    """
    from scipy.optimize import least_squares

    data = checked_image(image).astype(np.float64)
    size = calibration.checked(pixel_size_nm)
    mask = np.asarray(mask)
    _check_mask(mask, data.shape)
    window = _bounding(mask)
    inside = mask[window]
    values = data[window][inside]
    start, scale = _first_guess(data[window], inside)
    limit = math.hypot(*inside.shape)
    low = np.array([-1.0, -1.0, 0.5, 0.05, 0.0, -np.inf])
    high = np.array([*inside.shape, limit, _MAX_BLUR * limit, np.inf, np.inf])

    def residuals(parameters: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        result: npt.NDArray[np.float64] = _model(inside.shape, parameters)[inside] - values
        return result / scale

    answer = least_squares(
        residuals,
        np.clip(start, low, high),
        bounds=(low, high),
        x_scale=[1.0, 1.0, 1.0, 1.0, max(start[4], 1e-12 * scale), scale],
        diff_step=1e-4,
    )
    if not answer.success:
        raise MicrographError(f"the sphere fit did not converge: {answer.message}")
    total = float(np.sum((values - values.mean()) ** 2))
    row, col, radius, sigma, amplitude, offset = answer.x
    row, col = row + window[0].start, col + window[1].start
    model = _model(data.shape, np.array([row, col, radius, sigma, amplitude, offset]))
    return SphereFit(
        row_px=float(row),
        col_px=float(col),
        radius_nm=float(radius * size),
        blur_sigma_nm=float(sigma * size),
        amplitude_per_nm=float(amplitude / size),
        offset=float(offset),
        r_squared=1.0 - 2.0 * float(answer.cost) * scale**2 / total,
        model=model.astype(np.float32),
    )


def sphere_thickness(
    shape: tuple[int, ...], row: float, col: float, *, radius: float, sigma: float
) -> Image:
    """Pixel-area averages of a sphere's thickness blurred by a Gaussian, all in pixels.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    row, col : float
        Centre [px].
    radius, sigma : float
        Radius of the sphere and standard deviation of the blur [px].

    Returns
    -------
    ndarray of float64, shape `shape`
        Thickness [px].

    Raises
    ------
    TypeError, ValueError
        If an argument is not a finite number, or the blur is wider than four images.
    MemoryError
        If the image would not fit into memory.

    Examples
    --------
    >>> t = sphere_thickness((41, 41), 20, 20, radius=8.0, sigma=0.0)
    >>> abs(t.sum() / (4 / 3 * 3.14159265 * 8**3) - 1) < 1e-3
    np.True_
    """
    from scipy import ndimage

    rows_px, cols_px = (index(f"shape[{k}]", n, minimum=1) for k, n in enumerate(shape))
    numbers = {"row": row, "col": col, "radius": radius, "sigma": sigma}
    row, col, radius, sigma = (finite_number(name, value) for name, value in numbers.items())
    if sigma > (widest := 4 * max(rows_px, cols_px)):
        raise ValueError(f"sigma is {sigma:g} px, expected at most {widest} for this shape")
    require_memory(3 * 8 * rows_px * cols_px * _SUPERSAMPLE**2, f"a sphere on {shape} pixels")
    offsets = (np.arange(_SUPERSAMPLE) + 0.5) / _SUPERSAMPLE - 0.5
    rows = (np.arange(shape[0])[:, np.newaxis] + offsets).ravel() - row
    cols = (np.arange(shape[1])[:, np.newaxis] + offsets).ravel() - col
    squared = radius**2 - rows[:, np.newaxis] ** 2 - cols[np.newaxis, :] ** 2
    fine = 2.0 * np.sqrt(np.maximum(squared, 0.0))
    if sigma > 0:
        fine = ndimage.gaussian_filter(fine, sigma * _SUPERSAMPLE, mode="constant")
    blocks = fine.reshape(shape[0], _SUPERSAMPLE, shape[1], _SUPERSAMPLE)
    result: Image = blocks.mean(axis=(1, 3))
    return result


def sphere_fit_mask(particle: FoundParticle, *, margin_px: int = 4) -> Mask:
    """Pixels to fit a sphere to: the particle and the film near it, without its neighbours.

    Parameters
    ----------
    particle : FoundParticle
    margin_px : int
        Width of the film around the particle's bounding box [px]. Neighbours are left out
        together with the pixels that are within this distance of them and nearer to them than
        to the particle.

    Returns
    -------
    ndarray of bool, shape (rows, columns)

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((20, 20), np.int32)
    >>> labels[8:12, 8:12] = 1
    >>> labels[8:12, 12:16] = 2
    >>> mask = sphere_fit_mask(FoundParticle(1, (8, 8, 12, 12), 0.5, False, labels))
    >>> mask[9, [4, 8, 11, 12]].tolist()
    [True, True, True, False]
    """
    from skimage.segmentation import expand_labels

    nearest = expand_labels(particle.labels, distance=margin_px)
    mask = np.zeros(nearest.shape, dtype=bool)
    rows, cols = particle.window
    near = (
        slice(max(0, rows.start - margin_px), rows.stop + margin_px),
        slice(max(0, cols.start - margin_px), cols.stop + margin_px),
    )
    mask[near] = (nearest[near] == particle.label) | (nearest[near] == 0)
    return mask


def _model(shape: tuple[int, ...], parameters: npt.NDArray[np.float64]) -> Image:
    row, col, radius, sigma, amplitude, offset = parameters
    thickness = sphere_thickness(shape, row, col, radius=radius, sigma=sigma)
    result: Image = offset + amplitude * thickness
    return result


def _first_guess(window: Image, inside: Mask) -> tuple[npt.NDArray[np.float64], float]:
    """Start of the fit (row, col, radius, sigma, amplitude, offset in px) and the contrast."""
    offset, top = np.percentile(window[inside], [10.0, 98.0])
    contrast = float(top - offset)
    if contrast <= 0:
        raise MicrographError("nothing bright in the mask, expected a particle on a darker film")
    bright = inside & (window > offset + 0.5 * contrast)
    rows, cols = np.nonzero(bright)
    # Half the height of a sphere's profile is at sqrt(3)/2 of its radius.
    radius = max(math.sqrt(len(rows) / math.pi) / math.sqrt(0.75), 1.0)
    start = [rows.mean(), cols.mean(), radius, 1.0, contrast / (2.0 * radius), offset]
    return np.array(start), contrast


def _check_mask(mask: Mask, shape: tuple[int, ...]) -> None:
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise MicrographError(f"mask: got {mask.shape} {mask.dtype}, expected {shape} bool")
    count = int(np.count_nonzero(mask))
    if count < 4 * _PARAMETERS:
        raise MicrographError(
            f"mask: {count} pixels, expected at least {4 * _PARAMETERS} for a fit of "
            f"{_PARAMETERS} parameters"
        )


def _bounding(mask: Mask) -> tuple[slice, slice]:
    rows = np.flatnonzero(mask.any(axis=1))
    cols = np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
