"""Pictures: galleries with scale bars, confusion matrices, rotation GIFs.

Matplotlib is used through its objects and the Agg canvas, so that nothing here depends on, or
changes, a caller's backend or style. It is imported when the first picture is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from .microscope import Microscope
    from .particles import Particle

_PANEL_INCHES = 1.7
_DPI = 150
_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


def gallery(
    images: Sequence[ArrayLike],
    titles: Sequence[str],
    path: str | PathLike[str],
    *,
    pixel_size_nm: float | None = None,
    columns: int | None = None,
    title: str | None = None,
) -> Path:
    """Draw images side by side, each in its own grey scale from its minimum to its maximum.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        Images; they may differ in size.
    titles : sequence of str
        One per image, drawn above it.
    path : path-like
        File to write; its ending chooses the format (.png, .pdf, .svg).
    pixel_size_nm : float, optional
        Size of the images' pixels [nm]; draws a scale bar into each.
    columns : int, optional
        Images per row; default as square a grid as fits, at most six wide.
    title : str, optional
        Drawn above everything.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If there are no images, an image is not two-dimensional or not finite, titles and images
        differ in number, or a number is out of range.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> gallery([np.eye(16)], ["an eye"], folder / "eye.png", pixel_size_nm=0.35).name
    'eye.png'
    """
    arrays = [_image(f"images[{i}]", image) for i, image in enumerate(images)]
    if not arrays:
        raise ValueError("images must hold at least one image, got none")
    if len(titles) != len(arrays):
        raise ValueError(f"titles must be one per image ({len(arrays)}), got {len(titles)}")
    if pixel_size_nm is not None and not 0.0 < pixel_size_nm < math.inf:
        raise ValueError(f"pixel_size_nm must be positive and finite, got {pixel_size_nm}")
    if columns is None:
        columns = min(6, math.ceil(math.sqrt(len(arrays))))
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    columns = min(columns, len(arrays))
    rows = math.ceil(len(arrays) / columns)
    height = rows * (_PANEL_INCHES + 0.2) + (0.35 if title else 0.0)
    figure = _figure(columns * _PANEL_INCHES, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, array, text in zip(grid.flat, arrays, titles, strict=False):
        axes.imshow(array, cmap="gray", interpolation="nearest")
        axes.set_title(text, fontsize=7.5, pad=3)
        if pixel_size_nm is not None:
            scale_bar(axes, array.shape, pixel_size_nm)
    if title:
        figure.suptitle(title, fontsize=10)
    return _save(figure, path)


def scale_bar(axes: Axes, shape: tuple[int, ...], pixel_size_nm: float) -> None:
    """Draw a scale bar of a round length, about a quarter of the image wide, at the lower left.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Axes that show the image in pixel coordinates.
    shape : (int, int)
        Shape of the image [px].
    pixel_size_nm : float
        Pixel size [nm].

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> _ = axes.imshow(np.zeros((64, 64)))
    >>> scale_bar(axes, (64, 64), pixel_size_nm=0.5)
    >>> axes.texts[0].get_text()
    '5 nm'
    """
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    length_nm = _round_length(0.28 * shape[1] * pixel_size_nm)
    length, margin = length_nm / pixel_size_nm, 0.05 * shape[1]
    thickness = 0.025 * shape[0]
    left, bottom = margin - 0.5, shape[0] - 0.5 - margin
    axes.add_patch(
        Rectangle(
            (left, bottom - thickness),
            length,
            thickness,
            facecolor="white",
            edgecolor="black",
            linewidth=0.3,
        )
    )
    axes.text(
        left + length / 2,
        bottom - thickness - 0.02 * shape[0],
        f"{length_nm:g} nm",
        color="white",
        fontsize=6.5,
        ha="center",
        va="bottom",
        path_effects=[withStroke(linewidth=1.2, foreground="black")],
    )


def confusion_matrix(
    matrix: ArrayLike,
    class_names: Sequence[str],
    path: str | PathLike[str],
    *,
    title: str | None = None,
) -> Path:
    """Draw a confusion matrix: counts, and under them the share of their true class.

    Parameters
    ----------
    matrix : (C, C) array of int
        Counts; row = true class, column = predicted class.
    class_names : sequence of str
        Names of the C classes.
    path : path-like
        File to write.
    title : str, optional
        Drawn above.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the matrix is not square, holds negative counts, or does not match the names.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> confusion_matrix([[9, 1], [2, 8]], ["cat", "dog"], folder / "c.png", title="test set").name
    'c.png'
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ValueError(f"matrix must be square, (C, C), got shape {counts.shape}")
    if len(class_names) != len(counts):
        raise ValueError(f"class_names must be {len(counts)} names, got {len(class_names)}")
    if not np.issubdtype(counts.dtype, np.integer) or np.any(counts < 0):
        raise ValueError("matrix must hold counts, whole numbers of at least 0")
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)

    size = 1.6 + 0.75 * len(counts)
    figure = _figure(size + 0.5, size)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{100 * share[row, column]:.1f} %",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if share[row, column] > 0.5 else "black",
        )
    ticks = range(len(counts))
    axes.set_xticks(ticks, class_names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, class_names)
    axes.tick_params(length=0, labelsize=8)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)
    if title:
        axes.set_title(title, fontsize=10)
    return _save(figure, path)


def animation(
    path: str | PathLike[str],
    frames: ArrayLike,
    *,
    titles: Sequence[str] = (),
    frames_per_second: float = 15.0,
) -> Path:
    """Write an endlessly looping GIF of panels side by side, all in one grey scale.

    Parameters
    ----------
    path : path-like
        File to write.
    frames : (P, N, H, W) array
        P panels of N frames each.
    titles : sequence of str, optional
        One per panel, in a strip above it.
    frames_per_second : float, optional
        Speed [1/s].

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the array has another number of axes, is empty or not finite, titles and panels differ
        in number, or the speed is not positive.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> animation(folder / "moving.gif", np.random.default_rng(0).random((2, 5, 32, 32))).name
    'moving.gif'
    """
    from PIL import Image, ImageDraw, ImageFont

    stack = np.asarray(frames, dtype=np.float64)
    if stack.ndim != 4 or stack.size == 0:
        raise ValueError(f"frames must be (panels, frames, H, W), not empty, got {stack.shape}")
    if not np.all(np.isfinite(stack)):
        raise ValueError("frames must be finite, got NaN or infinity")
    if titles and len(titles) != len(stack):
        raise ValueError(f"titles must be one per panel ({len(stack)}), got {len(titles)}")
    if not 0.0 < frames_per_second < math.inf:
        raise ValueError(f"frames_per_second must be positive, got {frames_per_second}")
    low, high = stack.min(), stack.max()
    grey = np.round((stack - low) * (255.0 / (high - low if high > low else 1.0)))
    panels, count, height, width = stack.shape
    strip, gap = (14 if titles else 0), 4
    pictures = []
    for index in range(count):
        picture = Image.new("L", (panels * (width + gap) - gap, height + strip), 255)
        draw = ImageDraw.Draw(picture)
        for panel in range(panels):
            left = panel * (width + gap)
            pixels = grey[panel, index].astype(np.uint8)
            picture.paste(Image.fromarray(pixels), (left, strip))
            if titles:
                font = ImageFont.load_default(size=11)
                draw.text((left + width / 2, strip / 2), titles[panel], 0, font, anchor="mm")
        pictures.append(picture)
    with replacing(Path(path)) as partial:
        pictures[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            loop=0,
            duration=round(1000 / frames_per_second),
            disposal=1,
            optimize=False,
        )
    return Path(path)


def rotation_gif(
    path: str | PathLike[str],
    *,
    axis: str = "zyx",
    particle: Particle | None = None,
    microscope: Microscope | None = None,
    frames: int = 60,
    seed: int = 0,
) -> Path:
    """Show a particle turning once about the beam, the vertical and the horizontal axis.

    Parameters
    ----------
    path : path-like
        GIF file to write.
    axis : str, optional
        Axes to turn about, one panel each: letters out of x, y, z.
    particle : Particle, optional
        What turns; default a gold cube of 20 nm with one truncated corner.
    microscope : Microscope, optional
        Default one that takes 100 x 100 px of 0.4 nm.
    frames : int, optional
        Frames in a full turn.
    seed : int, optional
        Seed of the electron counts.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If `axis` holds other letters or none, or there are fewer than two frames.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> rotation_gif(folder / "turning.gif", axis="z", frames=4).name
    'turning.gif'
    """
    from scipy.spatial.transform import Rotation

    from .microscope import Microscope, Scan
    from .particles import Cuboid, Truncation
    from .simulate import simulate

    if not axis or not set(axis) <= set("xyz"):
        raise ValueError(f"axis must be letters out of 'xyz', such as 'zyx', got {axis!r}")
    if frames < 2:
        raise ValueError(f"frames must be at least 2, got {frames}")
    if particle is None:
        particle = Cuboid(edges=(20, 20, 20), corners={7: Truncation(0.5)})
    if microscope is None:
        microscope = Microscope(scan=Scan(shape=(100, 100), pixel_size_nm=0.4, dwell_us=16.0))
    angles = np.linspace(0.0, 2.0 * np.pi, frames, endpoint=False)
    panels = [
        simulate(
            particle,
            Rotation.from_rotvec(angles[:, None] * _AXES[letter]),
            microscope,
            seed=seed,
            first_index=panel * frames,
        )
        for panel, letter in enumerate(axis)
    ]
    return animation(path, np.stack(panels), titles=[f"about {letter}" for letter in axis])


def _image(name: str, image: ArrayLike) -> NDArray[Any]:
    array = np.asarray(image)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must be two-dimensional, (H, W), got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def _round_length(length: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is not longer."""
    decade = float(10.0 ** math.floor(math.log10(length)))
    return max(step for step in (1.0, 2.0, 5.0) if step * decade <= length * (1 + 1e-12)) * decade


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: str | PathLike[str]) -> Path:
    target = Path(path)
    with replacing(target) as partial:
        figure.savefig(partial, format=target.suffix.lstrip(".") or "png")
    return target
