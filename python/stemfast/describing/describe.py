"""Image in, description out: the steps of this package in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.arguments import finite_number, positive_number
from stemfast.describing.corners import interior_corners
from stemfast.describing.creases import Hessian, hessian, ridge, width_px
from stemfast.describing.description import Description, column_names
from stemfast.describing.wireframe import Segment, segments
from stemfast.finding.outline.blur import FWHM_PER_SIGMA, Blur, find_blur
from stemfast.finding.outline.draw import draw_outline
from stemfast.finding.outline.measure import (
    brightness_moments,
    centroid,
    convexity,
    feret,
    perimeter,
)
from stemfast.image.taking import pixel_size_of, pixels_of, taken
from stemfast.micrograph.calibrated_thickness import Calibration, volume_nm3
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.files.read import Micrograph
from stemfast.micrograph.find import FoundParticles
from stemfast.micrograph.isolate import Isolated, isolate, isolate_found

__all__ = ["describe", "describe_found", "describe_many"]

Floats = NDArray[np.float64]

#: Full width of the probe assumed where none is given [px].
_USUAL_FWHM_PX = 1.5
_SMALL_PX = 8.0
_RIDGE_NOISE = 4.0
_RIDGE_SHARE = 0.12  # of the strongest
_RIM_WIDTHS, _RIM_PX = 1.0, 1.0
_SHORTEST_WIDTHS = 2.5
# Times what white noise bends, below which the rest is put down to creases.
_WHITE, _ROUNDS = 4.0, 3
_REACH_WIDTHS = 1.5
_MERGE_WIDTHS = 1.6
_FROM_OUTLINE_CORNER_WIDTHS = 2.5
_NO_CALIBRATION = (
    "no volume: the image is not calibrated; give calibration=Calibration(curve=..., "
    "electrons_px=..., gain=..., offset=...)"
)


def describe(
    image: ArrayLike,
    pixel_size_nm: float | None = None,
    *,
    calibration: Calibration | None = None,
    probe_fwhm_nm: float | None = None,
) -> Description:
    """Describe the one particle of an image by its outline, its corners and its volume.

    Of several particles the largest is described, the more central one of two equally large, and
    the result is flagged "several particles".

    Parameters
    ----------
    image : array_like, shape (rows, columns), stemfast Image or HyperSpy signal
        A bright particle on a darker film; at least 16 px a side.
    pixel_size_nm : float, optional
        Pixel size [nm]; needed where the image does not say it.
    calibration : Calibration, optional
        What pixel values mean; without it there is no volume.
    probe_fwhm_nm : float, optional
        Full width at half maximum of probe and source size together [nm]; 1.5 px if not known.

    Returns
    -------
    Description

    Raises
    ------
    FeatureError
        If the image is no image, shows no particle, or contradicts its calibration.
    TypeError, ValueError
        If a number is none or out of range.

    Examples
    --------
    >>> import stemfast as sf
    >>> microscope = sf.Microscope()
    >>> image = sf.simulate(sf.Sphere(radius=9), None, microscope, seed=1)
    >>> ball = describe(
    ...     image,
    ...     microscope.scan.pixel_size_nm,
    ...     calibration=Calibration.of(microscope, "Au"),
    ...     probe_fwhm_nm=microscope.probe.fwhm_nm,
    ... )
    >>> ball.is_round, ball.n_vertices, round(ball.max_feret_nm)
    (True, 0, 18)
    >>> bool(abs(ball.volume_nm3 / sf.Sphere(radius=9).volume - 1) < 0.01)
    True
    """
    pixels, own = taken(image, pixel_size_nm)
    size = positive_number("pixel_size_nm", own)
    blur = _blur_px(probe_fwhm_nm, size)
    return _described(isolate(pixels), pixels.shape, size, calibration, Blur(blur, 0.0, 0.5))


def describe_many(
    images: ArrayLike | Iterable[ArrayLike],
    pixel_size_nm: float | None = None,
    *,
    calibration: Calibration | Sequence[Calibration] | None = None,
    probe_fwhm_nm: float | ArrayLike | None = None,
) -> dict[str, NDArray[Any]]:
    """Describe many images; one that cannot be is a row of NaN with the reason.

    Parameters
    ----------
    images : array_like, shape (n, rows, columns), or sequence of n images
    pixel_size_nm : float, optional
        Pixel size of all [nm]; needed where the images do not say it.
    calibration : Calibration or sequence of n Calibration, optional
        Of all, or of each.
    probe_fwhm_nm : float or array_like, shape (n,), optional
        As for `describe`, of all or of each [nm].

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``found`` (bool), ``flags`` (str; of an image without particle, the reason), and the other
        columns of `Description.row` as float64, NaN where there is no value.

    Raises
    ------
    TypeError, ValueError
        If the arguments are not what they should be.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> ball = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> table = describe_many([ball, np.zeros((64, 64))], 0.5)
    >>> table["found"].tolist(), table["equivalent_diameter_nm"].round().tolist()
    ([True, False], [9.0, nan])
    """
    if hasattr(images, "axes_manager"):
        images, pixel_size_nm = taken(images, pixel_size_nm)
    stack = list(images) if isinstance(images, Iterable) else [images]
    own = pixel_size_of(stack) if pixel_size_nm is None else pixel_size_nm
    size = positive_number("pixel_size_nm", own)
    stack = [pixels_of(image) for image in stack]
    calibrations = _each("calibration", calibration, len(stack))
    widths = _each("probe_fwhm_nm", probe_fwhm_nm, len(stack))
    blurs = [Blur(_blur_px(width, size), 0.0, 0.5) for width in widths]
    names = column_names()
    table = {name: np.full(len(stack), np.nan) for name in names if name != "flags"}
    found = np.zeros(len(stack), dtype=bool)
    flags = []
    for n, image in enumerate(stack):
        try:
            one = _described(isolate(image), np.shape(image), size, calibrations[n], blurs[n])
        except FeatureError as error:
            flags.append(str(error))
            continue
        found[n] = True
        row = one.row()
        flags.append(str(row.pop("flags")))
        for name, value in row.items():
            table[name][n] = np.nan if value is None else float(value)
    return {"found": found, "flags": np.array(flags, dtype=np.str_), **table}


def describe_found(
    micrograph: Micrograph,
    found: FoundParticles,
    *,
    calibration: Calibration | None = None,
    probe_fwhm_nm: float | None = None,
) -> list[Description | FeatureError]:
    """Describe every particle found in a micrograph.

    Parameters
    ----------
    micrograph : Micrograph
    found : FoundParticles
        As `stemfast.micrograph.find_particles` gives them.
    calibration : Calibration, optional
        As for `describe`.
    probe_fwhm_nm : float, optional
        Full width at half maximum of probe and source size together [nm]; by default read off the
        particles' edges.

    Returns
    -------
    list of Description or FeatureError
        One for each particle, in their order; the error says why there is no description.

    Examples
    --------
    >>> from stemfast.micrograph import find_particles
    >>> rows, cols = np.indices((64, 64))
    >>> image = Micrograph(10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9), 0.5)
    >>> [ball] = describe_found(image, find_particles(image))
    >>> [round(x) for x in ball.centroid_nm]
    [-1, -6]
    """
    cut: list[Isolated | FeatureError] = []
    for particle in found:
        try:
            cut.append(isolate_found(micrograph.image, particle, found))
        except FeatureError as error:
            cut.append(error)
    known = None if probe_fwhm_nm is None else _blur_px(probe_fwhm_nm, micrograph.pixel_size_nm)
    blur = find_blur([one for one in cut if isinstance(one, Isolated)], known)
    shape = micrograph.image.shape
    result: list[Description | FeatureError] = []
    for isolated in cut:
        if isinstance(isolated, FeatureError):
            result.append(isolated)
            continue
        try:
            one = _described(isolated, shape, micrograph.pixel_size_nm, calibration, blur)
        except FeatureError as error:
            result.append(error)
        else:
            result.append(one)
    return result


def _described(
    isolated: Isolated,
    image_shape: tuple[int, ...],
    size: float,
    calibration: Calibration | None,
    blur: Blur,
) -> Description:
    drawn = draw_outline(isolated, blur.width, blur.steep)
    outline, no_corners, area = drawn.points, drawn.is_round, drawn.area
    radius = math.sqrt(area / math.pi)
    inside = _inside(isolated.signal.shape, outline)
    if not inside.any():
        raise FeatureError(f"image: no particle found: the brightest spot is only {area:.1f} px²")
    wire: list[Segment] = []
    interior = np.empty((0, 2))
    if not no_corners:
        wire, interior = _wireframe(isolated, outline, inside, radius)
    # From the window's first pixel to the image's centre.
    shift = np.array(isolated.first[::-1]) - 0.5 * (np.array(image_shape[::-1]) - 1.0)
    slope = isolated.bright / radius
    smallest, largest = feret(outline)
    x, y = centroid(outline)
    volume = None
    if calibration is not None:
        volume = volume_nm3(isolated, calibration, size, blur.width)
    return Description(
        flags=(*isolated.flags, *(["small"] if 2.0 * radius < _SMALL_PX else [])),
        is_round=no_corners,
        outline_nm=(outline + shift) * size,
        interior_nm=(interior + shift) * size,
        creases_nm=(np.array([[s.start, s.end] for s in wire]).reshape(-1, 2, 2) + shift) * size,
        crease_bends=np.array([s.bend / slope for s in wire]),
        area_nm2=area * size**2,
        perimeter_nm=perimeter(outline) * size,
        min_feret_nm=smallest * size,
        max_feret_nm=largest * size,
        equivalent_diameter_nm=2.0 * radius * size,
        convexity=convexity(outline),
        centroid_nm=((x + float(shift[0])) * size, (y + float(shift[1])) * size),
        brightness=brightness_moments(isolated.smooth, inside),
        volume_nm3=volume,
        volume_note=_NO_CALIBRATION if calibration is None else repr(calibration),
        pixel_size_nm=size,
    )


def _inside(shape: tuple[int, ...], outline: Floats) -> NDArray[np.bool_]:
    from skimage.draw import polygon2mask

    mask: NDArray[np.bool_] = polygon2mask(shape, outline[:, ::-1])
    return mask


def _bends(isolated: Isolated, depth: Floats, radius: float) -> Hessian:
    """Second derivatives of a particle, at the width that its noise needs, and that noise.

    Along a crease and between creases nothing bends, so what does is the noise, of any colour.
    """
    from scipy.stats import median_abs_deviation

    noise, limit = isolated.pixel_noise, _WHITE
    for _ in range(_ROUNDS):
        found = hessian(isolated.signal, width_px(isolated.bright, radius, noise), noise)
        core = depth > _RIM_WIDTHS * found.width_px + _RIM_PX
        if not core.any():
            break
        measured = float(median_abs_deviation(found.weak[core], scale="normal"))
        if measured <= limit * found.noise or found.noise == 0.0:
            break
        noise, limit = noise * measured / found.noise, 1.0
    return found


def _wireframe(
    isolated: Isolated, outline: Floats, inside: NDArray[np.bool_], radius: float
) -> tuple[list[Segment], Floats]:
    """Creases, and the interior corners [px] where they meet."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(inside)
    found = _bends(isolated, depth, radius)
    width = found.width_px
    core = depth > _RIM_WIDTHS * width + _RIM_PX
    if not core.any():
        return [], np.empty((0, 2))
    strongest = float(np.max(-found.strong[core]))
    least = max(_RIDGE_NOISE * found.noise, _RIDGE_SHARE * strongest)
    wire = segments(ridge(found, core, least), found, core, _SHORTEST_WIDTHS * width)
    corners = interior_corners(wire, _REACH_WIDTHS * width, _MERGE_WIDTHS * width)
    if not len(corners):
        return wire, corners
    cols, rows = np.clip(np.round(corners), 0, np.array(inside.shape[::-1]) - 1).astype(int).T
    apart = corners[:, None] - outline[None]
    clear = np.hypot(apart[..., 0], apart[..., 1]).min(axis=1)
    keep = (depth[rows, cols] > _RIM_WIDTHS * width) & (clear > _FROM_OUTLINE_CORNER_WIDTHS * width)
    return wire, corners[keep]


def _blur_px(probe_fwhm_nm: object, pixel_size_nm: float) -> float:
    """Gaussian width of the probe [px]."""
    if probe_fwhm_nm is None:
        return _USUAL_FWHM_PX / FWHM_PER_SIGMA
    width = finite_number("probe_fwhm_nm", probe_fwhm_nm)
    if width < 0.0:
        raise ValueError(f"probe_fwhm_nm must be at least 0, got {width:g}")
    return width / pixel_size_nm / FWHM_PER_SIGMA


def _each(name: str, value: Any, n: int) -> list[Any]:
    """One value for each of n images."""
    if value is None or isinstance(value, Calibration) or np.ndim(value) == 0:
        return [value] * n
    values = list(value)
    if len(values) != n:
        raise ValueError(f"{name} has {len(values)} values, expected 1 or {n}: one for each image")
    return values
