"""A microscopist's own labelled images: a folder with one sub-folder for each class."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast import micrograph
from stemfast.transfer.bottleneck import image_hashes
from stemfast.transfer.images import Labelled, SplitImages

__all__ = ["from_folder"]

_FOLDS = 5  # three to fit, one to choose and calibrate, one to judge
_SHOWN = 5


def from_folder(folder: str | Path, *, seed: int = 0) -> SplitImages:
    """Read labelled images and split them: 60 % to fit, 20 % to choose, 20 % to judge.

    ``folder/CLASS/image.dm4`` is an image of class CLASS; its format is any that
    :func:`stemfast.micrograph.read` knows. Images that belong together, such as crops of one
    micrograph, go one level deeper: ``folder/CLASS/GROUP/image.tif``. All images of a GROUP, in
    every class, stay in one part, since near-twins in different parts would make the judgement
    too good. Hidden files (``.name``) are not looked at; every other file must be an image.

    Parameters
    ----------
    folder : str or Path
        With at least two classes of at least five images (or groups) each, all square and of one
        size.
    seed : int
        Decides which image goes to which part; the shares of the classes are kept.

    Returns
    -------
    SplitImages

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If there are fewer than two classes, a class is empty or has fewer than five images, files
        cannot be read, sizes differ, or the same image is there twice. Lists what is wrong.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"images: there is no folder {root}")
    files = _files_by_class(root)
    names = tuple(files)
    paths = [path for name in names for path in files[name]]
    labels = np.repeat(np.arange(len(names)), [len(files[name]) for name in names])
    images = _read(root, paths)
    _no_copies(root, paths, images)
    groups = _groups(root, paths)
    parts = _split(labels, groups, names, seed)
    source = {"folder": str(root), "seed": seed, "images": {n: len(files[n]) for n in names}}
    return SplitImages(
        **{part: Labelled(images[rows], labels[rows]) for part, rows in parts.items()},
        class_names=names,
        source=source,
        notes=_notes(paths, groups),
    )


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _files_by_class(root: Path) -> dict[str, list[Path]]:
    entries = _visible(root)
    loose = [path.name for path in entries if not path.is_dir()]
    classes = [path for path in entries if path.is_dir()]
    if loose:
        raise ValueError(
            f"images: {root} holds files beside the class folders ({_some(loose)}), expected one "
            "sub-folder for each class and nothing else"
        )
    if len(classes) < 2:
        raise ValueError(
            f"images: {root} holds {len(classes)} class folders"
            f"{': ' + classes[0].name if classes else ''}, expected at least two, one for each "
            "class"
        )
    files = {path.name: _files(path) for path in classes}
    empty = [name for name, found in files.items() if not found]
    if empty:
        raise ValueError(f"images: no images in {_some([str(root / name) for name in empty])}")
    return files


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in _visible(folder):
        inner = _visible(path) if path.is_dir() else [path]
        deeper = [p for p in inner if p.is_dir()]
        if deeper:
            raise ValueError(
                f"images: {deeper[0]} is a folder too deep, expected CLASS/GROUP/image"
            )
        found.extend(inner)
    return found


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "; ".join(items[:_SHOWN]) + more


def _read(root: Path, paths: list[Path]) -> NDArray[np.float32]:
    images, wrong = [], []
    for path in paths:
        try:
            # Pixel size plays no part here, and plain arrays have none: any will do.
            images.append(micrograph.read(path, pixel_size_nm=1.0).image)
        except (micrograph.MicrographError, OSError) as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError(
            f"images: {len(wrong)} of {len(paths)} files in {root} cannot be read as one image "
            f"each: {_some(wrong)}"
        )
    sizes: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for path, image in zip(paths, images, strict=True):
        sizes[image.shape].append(str(path.relative_to(root)))
    if len(sizes) > 1:
        found = [f"{len(p)} of {s[0]} x {s[1]} px ({p[0]})" for s, p in sizes.items()]
        raise ValueError(
            f"images: {root} holds images of different sizes, expected one: {_some(found)}"
        )
    (shape,) = sizes
    if shape[0] != shape[1]:
        raise ValueError(
            f"images: the images in {root} are {shape[0]} x {shape[1]} px, expected square ones: "
            "crop them"
        )
    return np.stack(images)


def _no_copies(root: Path, paths: list[Path], images: NDArray[np.float32]) -> None:
    by_content: dict[bytes, list[str]] = defaultdict(list)
    for path, digest in zip(paths, image_hashes(images), strict=True):
        by_content[digest.tobytes()].append(str(path.relative_to(root)))
    copies = [" = ".join(same) for same in by_content.values() if len(same) > 1]
    if copies:
        raise ValueError(
            f"images: {root} holds the same image more than once, which would let it be judged by "
            f"what it was fitted to; keep one of each: {_some(copies)}"
        )


def _groups(root: Path, paths: list[Path]) -> list[str]:
    """Name of what must stay together: the GROUP folder, or the image itself."""
    result = []
    for path in paths:
        parts = path.relative_to(root).parts
        result.append(f"group {parts[1]}" if len(parts) == 3 else f"image {path}")
    return result


def _split(
    labels: NDArray[Any], groups: list[str], names: tuple[str, ...], seed: int
) -> dict[str, NDArray[np.intp]]:
    from sklearn.model_selection import StratifiedGroupKFold

    members = [
        len({g for g, k in zip(groups, labels, strict=True) if k == c}) for c in range(len(names))
    ]
    few = [f"{n} has {m}" for n, m in zip(names, members, strict=True) if m < _FOLDS]
    if few:
        raise ValueError(
            f"images: expected at least {_FOLDS} images (or groups) in every class, but "
            f"{_some(few)}"
        )
    folds = StratifiedGroupKFold(n_splits=_FOLDS, shuffle=True, random_state=seed)
    rows = [held for _, held in folds.split(np.zeros(len(labels)), labels, groups)]
    parts = {
        "train": np.sort(np.concatenate(rows[2:])),
        "validation": rows[1],
        "test": rows[0],
    }
    for part, chosen in parts.items():
        missing = sorted(set(range(len(names))) - set(labels[chosen].tolist()))
        if missing:
            raise ValueError(
                f"images: no image of {names[missing[0]]} would be in the part {part}: give the "
                "class more groups, or another --seed"
            )
    return parts


def _notes(paths: list[Path], groups: list[str]) -> tuple[str, ...]:
    if len(set(groups)) < len(paths):
        return ()
    return (
        "every image was taken as independent; if several come from one micrograph or particle, "
        "put them into a sub-folder of their class with one name, or the accuracy is too good",
    )
