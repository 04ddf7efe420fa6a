"""The gallery: one look at what stemfast can simulate.

`write` draws it; the modules beside hold the scenes.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfast import plots
from stemfast.gallery.deformed import COUNTS, count_scenes, resting_scenes
from stemfast.gallery.effects import dose_scenes, effect_scenes
from stemfast.gallery.fields import field_sheet
from stemfast.gallery.shapes import MICROSCOPE, corner_scenes, shape_scenes, spin_scenes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Panels = tuple[list[NDArray[Any]], list[str]]


def write(folder: str | PathLike[str], *, seed: int = 0) -> list[Path]:
    """Write every picture of the gallery.

    Parameters
    ----------
    folder : path-like
        Where to write; made if missing. Pictures already there are replaced.
    seed : int, optional
        Seed of sizes, poses, corners and electron counts.

    Returns
    -------
    list of Path
        The files: ``gallery.png`` (a choice of the rest), ``shapes.png``, ``corners.png``,
        ``spin.png``, ``count_0_2_4.png``, ``count_5_6_7_8.png``, ``count_0_2_4_spinning.png``,
        ``resting.png``, ``effects.png``, ``dose.png``, ``fields.png`` and ``rotation.gif``.

    Raises
    ------
    ValueError
        If the folder is a file, or the seed is not one.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
    ...     write(file.name)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: folder must be a folder, and ...png is a file
    """
    out = Path(folder)
    if out.exists() and not out.is_dir():
        raise ValueError(f"folder must be a folder, and {out} is a file")
    shapes, corners, spins = shape_scenes(seed), corner_scenes(seed), spin_scenes(seed)
    out.mkdir(parents=True, exist_ok=True)
    best = _join(_part(shapes, 0, 10), _part(corners, 1, 6), _part(spins, 0, 3))
    scenes = [
        ("gallery.png", best, 6),
        ("shapes.png", shapes, 5),
        ("corners.png", corners, 5),
        ("spin.png", spins, 3),
    ]
    for counts, spinning in COUNTS:
        name = "_".join(map(str, counts)) + ("_spinning" if spinning else "")
        scenes.append((f"count_{name}.png", count_scenes(seed, counts, spinning=spinning), 6))
    scenes.append(("resting.png", resting_scenes(seed), 6))
    scenes += [("effects.png", effect_scenes(seed), 6), ("dose.png", dose_scenes(seed), 4)]
    written = [
        plots.gallery(
            *panels, out / name, pixel_size_nm=MICROSCOPE.scan.pixel_size_nm, columns=wide
        )
        for name, panels, wide in scenes
    ]
    written.append(field_sheet(out / "fields.png", seed=seed))
    return [*written, plots.rotation_gif(out / "rotation.gif", seed=seed)]


def _part(scenes: Panels, start: int, stop: int) -> Panels:
    images, titles = scenes
    return images[start:stop], titles[start:stop]


def _join(*scenes: Panels) -> Panels:
    return (
        [image for images, _ in scenes for image in images],
        [title for _, titles in scenes for title in titles],
    )
