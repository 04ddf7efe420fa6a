"""Moving pictures: panels side by side, and a particle that turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemfast.atomic import replacing

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from stemfast.microscope import Microscope
    from stemfast.particles import Particle

__all__ = ["animation", "rotation_gif"]

_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


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

    from stemfast.microscope import Microscope, Scan
    from stemfast.particles import Cuboid, Truncation
    from stemfast.simulation.simulate import simulate

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
