from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

@final
class Scenes:
    def __init__(
        self,
        *,
        kind: NDArray[np.uint8],
        plane_offset: NDArray[np.int64],
        planes: NDArray[np.float64],
        vertex_offset: NDArray[np.int64],
        vertices: NDArray[np.float64],
        triangle_offset: NDArray[np.int64],
        triangles: NDArray[np.int32],
        image_offset: NDArray[np.int64],
        shape: NDArray[np.int32],
        position: NDArray[np.float64],
        orientation: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None: ...
    @property
    def images(self) -> int: ...

@final
class Scanning:
    def __init__(
        self,
        *,
        oversample: int,
        pose_per_pixel: bool,
        pixel_size: NDArray[np.float64],
        dwell: NDArray[np.float64],
        flyback: NDArray[np.float64],
        stray: NDArray[np.void],
        frame: NDArray[np.int64],
        spin: NDArray[np.float64],
        path_offset: NDArray[np.int64],
        path_time: NDArray[np.float64],
        path_turn: NDArray[np.float64],
    ) -> None: ...
    @property
    def images(self) -> int: ...

film_dtype: np.dtype[np.void]
curve_dtype: np.dtype[np.void]
stray_dtype: np.dtype[np.void]

def info() -> dict[str, Any]: ...
def x86_level(*, leaf1_ecx: int, leaf7_ebx: int, leaf80000001_ecx: int, xcr0: int) -> int: ...
def thickness(
    scenes: Scenes,
    scanning: Scanning,
    out: NDArray[np.float32],
    *,
    seed: int,
    first_index: int,
    frames: int,
    engine: int,
    n_threads: int,
) -> None: ...
def scan_path(
    scenes: Scenes,
    scanning: Scanning,
    *,
    image: int,
    rows: int,
    columns: int,
    seed: int,
    first_index: int,
    frames: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
def simulate(
    scenes: Scenes,
    scanning: Scanning,
    out: NDArray[Any],
    *,
    film: NDArray[np.void],
    curve: NDArray[np.void],
    bright_field: NDArray[np.uint8],
    probe_sigma: NDArray[np.float64],
    electrons: NDArray[np.float64],
    gain: NDArray[np.float64],
    offset: NDArray[np.float64],
    read_noise: NDArray[np.float64],
    tail_fraction: NDArray[np.float64],
    tail_gamma: NDArray[np.float64],
    excess_noise: NDArray[np.float64],
    decay: NDArray[np.float64],
    convergence: NDArray[np.float64],
    focus: NDArray[np.float64],
    slabs: NDArray[np.int64],
    clipped: NDArray[np.int64],
    seed: int,
    first_index: int,
    frames: int,
    engine: int,
    n_threads: int,
    expected: bool = False,
) -> None: ...
def voxelize(
    scenes: Scenes, out: NDArray[np.uint8], *, voxel_size: float, n_threads: int
) -> None: ...
def project_volume(
    volume: NDArray[np.float32],
    orientation: NDArray[np.float64],
    out: NDArray[np.float32],
    *,
    voxel_size: float,
    side: int,
    n_threads: int,
) -> None: ...
def chords(
    normals: NDArray[np.float64],
    heights: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    d_normals: NDArray[np.float64] | None = None,
    d_heights: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]: ...
def blur_bands(
    image: NDArray[np.float64],
    rows: tuple[NDArray[np.int64], NDArray[np.float64]],
    columns: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> NDArray[np.float64]: ...
def misfits(
    normals: NDArray[np.float64],
    heights: NDArray[np.float64],
    *,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    film: NDArray[np.float64],
    scale: NDArray[np.float64],
    seen: NDArray[np.float64],
    path: float,
    curve: tuple[float, float, float, float, float],
) -> NDArray[np.float64]: ...
def expected_electrons(
    t: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    dose: float,
    *,
    film: NDArray[np.float64],
    waves: NDArray[np.float64],
    path: float,
    film_path: float,
    curve: tuple[float, float, float, float, float],
    rows: tuple[NDArray[np.int64], NDArray[np.float64]],
    columns: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def log_likelihood(
    electrons: NDArray[np.float64],
    *,
    counts: NDArray[np.float64],
    weight: NDArray[np.float64],
    came: NDArray[np.float64],
    off: NDArray[np.float64],
    excess: float,
    noise: float,
    least: float,
) -> float: ...
def error_bars(
    electrons: NDArray[np.float64],
    *,
    counts: NDArray[np.float64],
    weight: NDArray[np.float64],
    came: NDArray[np.float64],
    off: NDArray[np.float64],
    excess: float,
    noise: float,
    least: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def weighted_jacobian(
    slopes: NDArray[np.float64],
    by_depth: NDArray[np.float64],
    electrons: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    waves: NDArray[np.float64],
    path: float,
    film_path: float,
    rows: tuple[NDArray[np.int64], NDArray[np.float64]],
    columns: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> NDArray[np.float64]: ...
def scattered_fraction(
    depth: NDArray[np.float32], curve: NDArray[np.void]
) -> NDArray[np.float32]: ...
def blur(
    image: NDArray[np.float32], sigma: float, boundary: str = "nearest", n_threads: int = 1
) -> NDArray[np.float32]: ...
def film(
    settings: NDArray[np.void],
    *,
    rows: int,
    columns: int,
    pixel_size: float,
    seed: int,
    index: int,
    n_threads: int = 1,
) -> NDArray[np.float32]: ...
def poisson(
    mean: NDArray[np.float32], *, seed: int, index: int, n_threads: int = 1
) -> NDArray[np.int32]: ...
def poisson_quantiles(
    bits: NDArray[np.uint64], mean: NDArray[np.float64]
) -> NDArray[np.float64]: ...
def read_out(
    counts: NDArray[np.int32],
    *,
    gain: float,
    offset: float,
    read_noise: float,
    seed: int,
    index: int,
    dtype: DTypeLike,
) -> NDArray[Any]: ...
def add_tail(
    image: NDArray[np.float32], *, gamma: float, fraction: float
) -> NDArray[np.float32]: ...
def multiply(
    counts: NDArray[np.int32], *, excess: float, seed: int, index: int
) -> NDArray[np.float64]: ...
def fade(
    charge: NDArray[np.float32], *, decay: float, dwell: float, flyback: float
) -> NDArray[np.float32]: ...
def quotients(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]: ...
def star_mask(
    row: float, column: float, radii: NDArray[np.float64], *, rows: int, columns: int
) -> NDArray[np.bool_]: ...
def distances(mask: NDArray[np.bool_]) -> NDArray[np.float64]: ...
def fit_polygon(
    points: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    trim: int,
    shortest: int,
    price: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
def otsu_threshold(image: NDArray[np.float64]) -> float: ...
def grain(image: NDArray[np.float64], threshold: float) -> tuple[float, float]: ...
def clipped_plane(
    image: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    enough: int,
    rounds: int,
    fewest: int,
) -> tuple[float, float, float, float]: ...
def extent(
    above: NDArray[np.float64],
    own: NDArray[np.bool_],
    mine: NDArray[np.bool_],
    beyond: NDArray[np.float64],
    levels: NDArray[np.float64],
    *,
    limit: float,
    most_leaks: float,
) -> tuple[NDArray[np.bool_], int]: ...
def central_piece(mask: NDArray[np.bool_], *, fewest: int) -> NDArray[np.bool_]: ...
def level_line(image: NDArray[np.float64], level: float) -> NDArray[np.float64]: ...
def even_level_line(
    image: NDArray[np.float64],
    level: float,
    smooth: NDArray[np.float64],
    foreign: NDArray[np.bool_],
    *,
    spacing: float,
    fewest: int,
    most: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]: ...
def convex_hull(points: NDArray[np.float64]) -> NDArray[np.float64]: ...
def callipers(points: NDArray[np.float64]) -> tuple[float, float]: ...

class EdgeNoise:
    def __init__(
        self, *, film: float, pixel: float, smoothing_px: float, bright: float
    ) -> None: ...

def side_places(
    signal: NDArray[np.float64],
    foreign: NDArray[np.bool_],
    corners: NDArray[np.float64],
    blur_px: float,
    noise: EdgeNoise,
) -> NDArray[np.float64]: ...
def rim_place(
    inwards: NDArray[np.float64],
    brightness: NDArray[np.float64],
    blur_px: float,
    radius: float,
    noise: EdgeNoise,
) -> tuple[float, float]: ...
def side_evidence(
    signal: NDArray[np.float64],
    foreign: NDArray[np.bool_],
    corners: NDArray[np.float64],
    widths_px: NDArray[np.float64],
    noise: EdgeNoise,
    *,
    wide: float,
    steep_share: float,
) -> NDArray[np.float64]: ...
def rim_evidence(
    inwards: NDArray[np.float64],
    brightness: NDArray[np.float64],
    widths_px: NDArray[np.float64],
    noise: EdgeNoise,
    *,
    wide: float,
    radius: float,
) -> NDArray[np.float64]: ...
def convolve(
    terms: Sequence[tuple[Sequence[tuple[NDArray[np.float32], str]], NDArray[np.float32]]],
    bias: NDArray[np.float32],
    out: NDArray[np.float32],
    *,
    rectified: bool,
    n_threads: int = 1,
) -> None: ...
def haar_orientations(seed: int, first_index: int, n: int) -> NDArray[np.float64]: ...
def uniforms(
    seed: int, index: NDArray[np.uint64], stage: int, draws: int
) -> NDArray[np.float64]: ...
def philox(counter: Sequence[int], key: int) -> list[int]: ...
def quaternion_multiply(p: Sequence[float], q: Sequence[float]) -> list[float]: ...
def quaternion_rotate(q: Sequence[float], vector: Sequence[float]) -> list[float]: ...
def quaternion_normalise(q: Sequence[float]) -> list[float]: ...
def quaternion_slerp(p: Sequence[float], q: Sequence[float], fraction: float) -> list[float]: ...
def quaternion_from_angular_velocity(omega: Sequence[float], time: float) -> list[float]: ...
def exponential(x: NDArray[np.float64]) -> NDArray[np.float64]: ...
def logarithm(x: NDArray[np.float64]) -> NDArray[np.float64]: ...
def sine_turns(turns: NDArray[np.float64]) -> NDArray[np.float64]: ...
def cosine_turns(turns: NDArray[np.float64]) -> NDArray[np.float64]: ...
def map_file(name: bytes) -> NDArray[np.uint8]: ...
def gather(
    *,
    stacks: list[NDArray[Any]],
    which: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: NDArray[Any],
    n_threads: int,
) -> None: ...
