"""Slow, obvious NumPy versions of what the core does fast, in float64.

Tests compare the two on random input. Nothing here calls the core or shares code with it, and
nothing is optimised: read it to learn what the core is meant to compute.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.microscope import Microscope, Scan
from stemfast.particles import Particle
from stemfast.particles.arguments import MaterialLike
from stemfast.particles.body import Body, ConvexBody, EllipsoidBody

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]


def pixel_centres(scan: Scan, oversample: int = 1) -> tuple[Float, Float]:
    """Return x of the columns and y of the rows [nm], the scan's centre at 0.

    Examples
    --------
    >>> pixel_centres(Scan(shape=(1, 3), pixel_size_nm=0.5))[0].tolist()
    [-0.5, 0.0, 0.5]
    """
    step = scan.pixel_size_nm / oversample
    rows, columns = (n * oversample for n in scan.shape)

    def axis(n: int) -> Float:
        return np.asarray((np.arange(n) - (n - 1) / 2) * step, np.float64)

    return axis(columns), axis(rows)


def chords(body: Body, matrix: Float, position: Float, x: Float, y: Float) -> Float:
    """Return the beam's path inside one body [nm] at points (x, y), by looking at every face.

    Parameters
    ----------
    body : Body
    matrix : (3, 3) float64
        Rotation of the body.
    position : (3,) float64
        Of its origin [nm].
    x, y : (n,) float64
        Where the beam passes [nm].

    Examples
    --------
    >>> import stemfast as sf
    >>> (ball,) = sf.Sphere(radius=5).bodies()
    >>> path = chords(ball, np.eye(3), np.zeros(3), np.array([0.0, 3.0, 9.0]), np.zeros(3))
    >>> path.round(12).tolist()
    [10.0, 8.0, 0.0]
    """
    if isinstance(body, ConvexBody):
        return _convex_chords(body, matrix, position, x, y)
    if isinstance(body, EllipsoidBody):
        return _ellipsoid_chords(body, matrix, position, x, y)
    path = np.zeros_like(x)
    points = body.vertices @ matrix.T + position
    for a, b, c in points[body.triangles]:
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area == 0:
            continue
        u = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / area
        v = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / area
        depth = a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2])
        path += np.where((u >= 0) & (v >= 0) & (u + v < 1), np.sign(area) * depth, 0.0)
    return path


def _convex_chords(body: ConvexBody, matrix: Float, position: Float, x: Float, y: Float) -> Float:
    leave, enter = np.full_like(x, np.inf), np.full_like(x, -np.inf)
    for *normal, offset in body.planes:
        nx, ny, nz = matrix @ np.array(normal)
        d = offset + np.dot((nx, ny, nz), position)
        if abs(nz) < 1e-9:  # a face along the beam lets it pass or not
            leave[nx * x + ny * y > d] = -np.inf
        elif nz > 0:
            leave = np.minimum(leave, (d - nx * x - ny * y) / nz)
        else:
            enter = np.maximum(enter, (d - nx * x - ny * y) / nz)
    return np.maximum(leave - enter, 0.0)


def _ellipsoid_chords(
    body: EllipsoidBody, matrix: Float, position: Float, x: Float, y: Float
) -> Float:
    # |S⁻¹Rᵀ(r − c)| = 1 along r = (x, y, z) is a quadratic equation in z.
    from scipy.spatial.transform import Rotation

    axes = matrix @ Rotation.from_quat(body.quaternion).as_matrix()
    to_sphere = np.diag(1.0 / np.asarray(body.semi_axes)) @ axes.T
    centre = matrix @ np.asarray(body.centre) + position
    start = to_sphere @ np.stack([x - centre[0], y - centre[1], np.zeros_like(x)])
    along = to_sphere[:, 2]
    a, b, c = along @ along, along @ start, np.sum(start**2, axis=0) - 1.0
    return np.asarray(2.0 * np.sqrt(np.maximum(b * b - a * c, 0.0)) / a)


def pixel_times(scan: Scan, frame: int = 0) -> Float:
    """Return when each pixel is scanned, (rows, columns), from the start of the first frame [s].

    Examples
    --------
    >>> pixel_times(Scan(shape=(2, 2), dwell_us=1, flyback_us=10)).round(9).tolist()
    [[0.0, 1e-06], [1.2e-05, 1.3e-05]]
    """
    rows, columns = scan.shape
    period = (columns * scan.dwell_us + scan.flyback_us) * 1e-6
    row = np.arange(rows)[:, None] + frame * rows
    return np.asarray(row * period + np.arange(columns) * scan.dwell_us * 1e-6)


def pose_times(scan: Scan, pose_per: str, frame: int = 0) -> Float:
    """Return the time that each pixel's pose belongs to, (rows, columns) [s].

    Examples
    --------
    >>> pose_times(Scan(shape=(1, 3), dwell_us=1), "row").round(9).tolist()
    [[1e-06, 1e-06, 1e-06]]
    """
    times = pixel_times(scan, frame)
    if pose_per == "pixel":
        return times
    return np.repeat(times.mean(axis=1, keepdims=True), times.shape[1], axis=1)


def beam_shift(scan: Scan, jitter_nm: Float | None = None, frame: int = 0) -> tuple[Float, Float]:
    """Return how far the beam is from its grid in x and y at each pixel, (rows, columns) [nm].

    Parameters
    ----------
    scan : Scan
    jitter_nm : (rows, 2), optional
        Shift of each row in x and y.
    frame : int
        Number of the frame.

    Examples
    --------
    >>> import stemfast as sf
    >>> steady = Scan(shape=(1, 2), dwell_us=1e6, instability=sf.Instability(drift_nm_s=(3, 0)))
    >>> beam_shift(steady)[0].tolist()
    [[0.0, 3.0]]
    """
    motion, t = scan.instability, pixel_times(scan, frame)
    decay = motion.drift_decay_s
    drifted = t if decay is None else decay * (1 - np.exp(-t / decay))
    ripple = np.sin(2 * np.pi * motion.mains_hz * t + motion.mains_phase_rad)
    in_row = np.arange(scan.shape[1]) * scan.dwell_us
    lag = motion.flyback_lag_nm * np.exp(-in_row / motion.flyback_lag_us)
    jitter = np.zeros((scan.shape[0], 2)) if jitter_nm is None else jitter_nm
    x, y = (
        velocity * drifted + amplitude * 1e-3 * ripple + jitter[:, k, None]
        for k, (velocity, amplitude) in enumerate(
            zip(motion.drift_nm_s, motion.mains_pm, strict=True)
        )
    )
    return np.asarray(x - lag), np.asarray(y)


def thickness(
    particle: Particle,
    orientation: Rotation,
    scan: Scan,
    *,
    position_nm: ArrayLike = (0.0, 0.0, 0.0),
    spin_rad_s: ArrayLike = (0.0, 0.0, 0.0),
    pose_per: str = "row",
    oversample: int = 1,
    jitter_nm: Float | None = None,
    material: MaterialLike | None = None,
) -> Float:
    """Return one thickness map (rows, columns) [nm]; see `stemfast.thickness`.

    With `material`, that of this material alone.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> thickness(sf.Cuboid((2, 2, 3)), Rotation.identity(), Scan(shape=(1, 1))).tolist()
    [[3.0]]
    """
    from scipy.spatial.transform import Rotation

    position, spin = np.asarray(position_nm, np.float64), np.asarray(spin_rad_s, np.float64)
    x, y = pixel_centres(scan, oversample)
    shift_x, shift_y = (np.kron(s, np.ones(2 * (oversample,))) for s in beam_shift(scan, jitter_nm))
    times = pose_times(scan, pose_per)
    times = np.kron(times - pixel_times(scan).mean(), np.ones(2 * (oversample,)))
    fine = np.zeros((len(y), len(x)))
    for i in range(len(y)):
        # One pose after the other: the pixels of a row that share one go together.
        for time in np.unique(times[i]):
            at = times[i] == time
            matrix = (Rotation.from_rotvec(spin * time) * orientation).as_matrix()
            beam = x[at] + shift_x[i, at], y[i] + shift_y[i, at]
            for body in particle.bodies():
                own = particle.material if body.material is None else body.material
                if material is not None and own != material:
                    continue
                fine[i, at] += body.weight * chords(body, matrix, position, *beam)
    rows, columns = scan.shape
    return np.asarray(fine.reshape(rows, oversample, columns, oversample).mean(axis=(1, 3)))


def occupancy(
    body: ConvexBody, matrix: Float, axes: tuple[Float, Float, Float]
) -> NDArray[np.bool_]:
    """Return which voxel centres lie inside a convex body, (nz, ny, nx), asking at each of them.

    Parameters
    ----------
    body : ConvexBody
    matrix : (3, 3) float64
        Rotation of the body.
    axes : three arrays
        z, y and x of the voxel centres [nm].

    Examples
    --------
    >>> import stemfast as sf
    >>> (cube,) = sf.Cuboid((2, 2, 2)).bodies()
    >>> axis = np.array([-1.5, -0.5, 0.5, 1.5])
    >>> int(occupancy(cube, np.eye(3), (axis, axis, axis)).sum())
    8
    """
    z, y, x = np.meshgrid(*axes, indexing="ij")
    inside = np.ones(z.shape, bool)
    for nx, ny, nz, d in body.planes:
        r = [m[0] * nx + m[1] * ny + m[2] * nz for m in matrix]
        inside &= (r[0] * x + r[1] * y) + r[2] * z <= d
    return inside


def project_volume(volume: Float, matrix: Float, side: int, voxel_size_nm: float) -> Float:
    """Return one projection (side, side) of a density volume; see `stemfast.project_volume`.

    Examples
    --------
    >>> float(project_volume(np.ones((3, 3, 3)), np.eye(3), 3, 0.5)[1, 1])
    1.5
    """
    middle = (side - 1) / 2
    z, y, x = np.meshgrid(*3 * (np.arange(side) - middle,), indexing="ij")
    back = np.einsum("ij,i...->j...", matrix, np.stack([x, y, z]))
    nz, ny, nx = volume.shape
    at = [back[k] + (n - 1) / 2 for k, n in enumerate((nx, ny, nz))]
    low = [np.floor(a).astype(int) for a in at]
    field = np.zeros(z.shape)
    for corner in np.ndindex(2, 2, 2):
        weight = np.ones(z.shape)
        inside = np.ones(z.shape, bool)
        where = []
        for k, n in enumerate((nx, ny, nz)):
            i = low[k] + corner[k]
            fraction = at[k] - low[k]
            weight = weight * (fraction if corner[k] else 1.0 - fraction)
            inside &= (i >= 0) & (i < n)
            where.append(np.clip(i, 0, n - 1))
        field += np.where(inside, weight * volume[where[2], where[1], where[0]], 0.0)
    projection = field.sum(axis=0)
    return np.asarray(projection * voxel_size_nm * volume.sum() / projection.sum())


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

    Examples
    --------
    >>> slab = np.full((10, 4, 4), 0.1)
    >>> round(float(focused_fraction(slab, 1.0, 1.0, 0.5, 0.02, 0.0)[1, 2]), 6)
    0.632121
    """
    left = np.ones(scattering.shape[1:])
    total = np.zeros_like(left)
    for k, layer in enumerate(scattering):
        z = (k - (len(scattering) - 1) / 2) * voxel_nm
        share = left * (1.0 - np.exp(-layer * voxel_nm))
        left = left - share
        total += gaussian_blur(share, math.hypot(sigma_nm, angle * (z - focus_nm) / 2) / pixel_nm)
    return total


def scattered_fraction(
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
    >>> float(scattered_fraction(sf.Sphere(radius=9), Rotation.identity(), scope).max()) < 0.3
    True
    """
    from stemfast.reference_film import film_thickness  # which builds on this module

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
    fraction = 1.0 - np.exp(-depth)
    sigma = microscope.probe.sigma_nm / microscope.scan.pixel_size_nm
    fraction = gaussian_blur(fraction, sigma) if sigma > 0 else fraction
    tail, gamma = microscope.probe.tail_fraction, microscope.probe.tail_gamma_nm
    if tail == 0:
        return fraction
    far = lorentzian_blur(fraction, gamma / microscope.scan.pixel_size_nm)
    return np.asarray((1 - tail) * fraction + tail * far)


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


def philox(counter: Sequence[Any], key: Sequence[int]) -> list[Any]:
    """Return one block of Philox 4x32-10, in Python's whole numbers or in arrays of uint64.

    J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11.

    Examples
    --------
    >>> [hex(word) for word in philox([0, 0, 0, 0], [0, 0])]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    a, b, c, d = counter
    k0, k1 = key
    mask = 2**32 - 1
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k0, q & mask, (p >> 32) ^ d ^ k1, p & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return [a, b, c, d]


def uniforms(seed: int, image: int, stage: int, n: int) -> list[float]:
    """Return what `stemfast.draws.uniform` gives for one image.

    Examples
    --------
    >>> len(uniforms(seed=1, image=2, stage=0, n=3))
    3
    """
    mask, numbers = 2**32 - 1, []
    for block in range(math.ceil(n / 2)):
        counter = [block, (256 + stage) << 16, image & mask, image >> 32]
        words = philox(counter, [seed & mask, seed >> 32])
        for high, low in (words[:2], words[2:]):
            numbers.append(((high << 32 | low) >> 11) * 2.0**-53)
    return numbers[:n]


def haar_quaternion(seed: int, index: int) -> list[float]:
    """Return what `stemfast.orientation.random` gives for one index (Shoemake 1992).

    Examples
    --------
    >>> q = haar_quaternion(seed=1, index=0)
    >>> round(sum(c * c for c in q), 12)
    1.0
    """
    mask = 2**32 - 1
    key, where = [seed & mask, seed >> 32], [index & mask, index >> 32]
    words = [w for block in (0, 1) for w in philox([block, 3 << 16, *where], key)]
    split, a, b = (((words[i] << 32 | words[i + 1]) >> 11) * 2.0**-53 for i in (0, 2, 4))
    outer, inner = math.sqrt(1 - split), math.sqrt(split)
    a, b = 2 * math.pi * a, 2 * math.pi * b
    return [outer * math.sin(a), outer * math.cos(a), inner * math.sin(b), inner * math.cos(b)]
