"""A data set in the formats of others: TIFF, NumPy, WebDataset, Zarr.

Each is written shard by shard into a folder that gets its name when all of it is there.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.dataset.manifest import Manifest, ShardEntry
from stemfast.dataset.mapped import MappedShard
from stemfast.dataset.plan import check_space
from stemfast.dataset.read import Dataset
from stemfast.image import Image

__all__ = ["FORMATS", "export"]

ZARR_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class _Part:
    """Content of one shard."""

    entry: ShardEntry
    images: NDArray[Any]
    labels: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]

    @property
    def name(self) -> str:
        return Path(self.entry.file).stem


class _Source:
    """The shards of an opened data set, one after the other, with progress."""

    def __init__(self, data: Dataset, splits: tuple[str, ...], advance: Any) -> None:
        self.manifest: Manifest = data.manifest
        self.splits = splits
        self._directory = data.directory
        self._advance = advance

    def parts(self, split: str) -> Iterator[_Part]:
        """Contents of the shards of a split."""
        for entry in self.manifest.shards:
            if entry.split == split:
                shard = MappedShard(self._directory, entry, self.manifest)
                images, labels = shard.arrays
                yield _Part(entry, images, labels, shard.columns())
                self._advance(len(labels), len(labels))

    def count(self, split: str) -> int:
        """Images in a split."""
        start, stop = self.manifest.splits[split]
        return stop - start


def export(
    directory: str | Path,
    out: str | Path,
    kind: str,
    *,
    split: str | None = None,
    advance: Callable[[int, int], None] = lambda done, made: None,
) -> Path:
    """Write a data set in another format.

    Parameters
    ----------
    directory : str or Path
        A complete data set.
    out : str or Path
        Folder to make; it must not exist. It appears when all is written.
    kind : str
        ``"tiff"``: for each shard a stack that ImageJ opens at the right nm scale, and a table
        (.csv) of labels and parameters. ``"npy"``: for each split ``…_images.npy``,
        ``…_labels.npy`` and a table. ``"webdataset"``: a tar file for each shard, with ``.npy``,
        ``.cls`` and ``.json`` of each image. ``"zarr"``: a Zarr v3 hierarchy, written with
        TensorStore.
    split : str, optional
        Only this one; all if None.
    advance : callable
        Called with the number of images written, twice.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the format or the split is unknown.
    FileExistsError
        If `out` exists.
    ModuleNotFoundError
        If the format needs a package that is not installed.
    OSError
        If it does not fit onto the disk, or cannot be written.
    """
    if kind not in FORMATS:
        raise ValueError(f"format is {kind!r}, expected one of {', '.join(FORMATS)}")
    data = Dataset(directory, split)
    target = Path(out)
    splits = tuple(data.manifest.splits) if split is None else (split,)
    source = _Source(data, splits, advance)
    if not target.exists():
        check_space(target, sum(s.n_bytes for s in data.manifest.shards if s.split in splits))
    with atomic.new_folder(target) as temporary:
        FORMATS[kind](source, temporary)
        header = data.manifest.header.model_dump_json(indent=2)
        (temporary / "about.json").write_text(header + "\n", encoding="utf-8")
    return target


def _plain(value: Any) -> Any:
    """A parameter as JSON knows it."""
    value = value.tolist()
    return value.decode() if isinstance(value, bytes) else value


def _flat_columns(columns: dict[str, NDArray[Any]]) -> dict[str, list[Any]]:
    """Columns of a table: an array of three numbers becomes name_0, name_1, name_2."""
    flat: dict[str, list[Any]] = {}
    for name, column in columns.items():
        if column.dtype.kind == "S":
            column = column.astype(str)
        if column.ndim == 1:
            flat[name] = column.tolist()
        else:
            rows = column.reshape(len(column), -1)
            flat |= {f"{name}_{k}": rows[:, k].tolist() for k in range(rows.shape[1])}
    return flat


class _Table:
    """A table of labels and parameters that grows shard by shard."""

    def __init__(self, path: Path, class_names: tuple[str, ...]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._classes = class_names
        self._begun = False

    def add(self, part: _Part, file: str, first: int, pages: int = 1) -> None:
        """Add a row for each sample: the file, and the place of its first page or row in it."""
        flat = _flat_columns(part.columns)
        if not self._begun:
            self._writer.writerow(["file", "number", "scene", "label", "class", *flat])
            self._begun = True
        for row, (label, *values) in enumerate(
            zip(part.labels.tolist(), *flat.values(), strict=True)
        ):
            where = (file, first + row * pages, part.entry.start + row)
            self._writer.writerow([*where, label, self._classes[label], *values])

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _tiff(source: _Source, folder: Path) -> None:
    manifest = source.manifest
    for split in source.splits:
        with _Table(folder / f"{split}.csv", manifest.class_names) as table:
            for part in source.parts(split):
                name = f"{part.name}.tif"
                classes = [manifest.class_names[k] for k in part.labels]
                stack = Image(
                    part.images,
                    manifest.pixel_size_nm,
                    title=f"{manifest.recipe} {part.name}",
                    metadata={"recipe": manifest.recipe, "classes": classes},
                )
                stack.save(folder / name)
                views = part.images.shape[1] if part.images.ndim == 4 else 1
                table.add(part, name, 0, pages=views)


def _npy(source: _Source, folder: Path) -> None:
    manifest = source.manifest
    for split in source.splits:
        name = f"{split}_images.npy"
        labels: list[NDArray[np.int64]] = []
        shape = (source.count(split), *manifest.image_shape)
        descr = np.lib.format.dtype_to_descr(np.dtype(manifest.dtype))
        with (
            (folder / name).open("wb") as file,
            _Table(folder / f"{split}.csv", manifest.class_names) as table,
        ):
            about = {"descr": descr, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(file, about)
            for part in source.parts(split):
                file.write(part.images.reshape(-1).view(np.uint8).data)
                table.add(part, name, sum(len(before) for before in labels))
                labels.append(part.labels)
        np.save(folder / f"{split}_labels.npy", np.concatenate(labels))


def _webdataset(source: _Source, folder: Path) -> None:
    for split in source.splits:
        for part in source.parts(split):
            with tarfile.open(folder / f"{part.name}.tar", "w") as tar:
                for row, image in enumerate(part.images):
                    key = f"{part.entry.start + row:013d}"
                    pixels = io.BytesIO()
                    np.save(pixels, image)
                    label = int(part.labels[row])
                    about = {name: _plain(column[row]) for name, column in part.columns.items()}
                    about |= {"class": source.manifest.class_names[label]}
                    about |= {"pixel_size_nm": source.manifest.pixel_size_nm}
                    _add(tar, f"{key}.npy", pixels.getvalue())
                    _add(tar, f"{key}.cls", str(label).encode())
                    _add(tar, f"{key}.json", json.dumps(about).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _zarr(source: _Source, folder: Path) -> None:
    import tensorstore

    manifest = source.manifest
    names = ("image", "view", "y", "x") if len(manifest.image_shape) == 3 else ("image", "y", "x")
    about = {
        "recipe": manifest.recipe,
        "class_names": manifest.class_names,
        "pixel_size_nm": manifest.pixel_size_nm,
    }
    _zarr_group(folder, about)
    for split in source.splits:
        _zarr_group(folder / split, {})
        _zarr_group(folder / split / "parameters", {})
        arrays: dict[str, Any] = {}
        done = 0
        for part in source.parts(split):
            writing = []
            columns = {f"parameters/{n}": column for n, column in part.columns.items()}
            for name, values in {"images": part.images, "labels": part.labels, **columns}.items():
                if values.dtype.kind == "S":  # Zarr v3 has no byte strings: bytes of a row each
                    values = np.ascontiguousarray(values)[:, None].view(np.uint8)
                if name not in arrays:
                    shape = (source.count(split), *values.shape[1:])
                    path = folder / split / name
                    axes = names if name == "images" else _axes(name, values.ndim)
                    spec = _zarr_array(path, shape, values, axes)
                    arrays[name] = tensorstore.open(spec, create=True).result()
                writing.append(arrays[name][done : done + len(values)].write(values))
            for written in writing:
                written.result()
            done += len(part.labels)
    _zarr_consolidated(folder)


def _axes(name: str, ndim: int) -> tuple[str, ...]:
    """Names of an array's axes, without which xarray opens none of a group.

    Axes other than the first bear the array's name, since parameters differ in their lengths.
    """
    own = name.rpartition("/")[2]
    return ("image", *(f"{own}_{k}" for k in range(ndim - 1)))


def _zarr_array(
    path: Path, shape: tuple[int, ...], like: NDArray[Any], names: tuple[str, ...]
) -> dict[str, Any]:
    rows = max(1, min(shape[0], ZARR_CHUNK_BYTES // max(1, like[0].nbytes)))
    metadata: dict[str, Any] = {
        "shape": shape,
        "data_type": like.dtype.name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [rows, *shape[1:]]},
        },
        "dimension_names": names,
    }
    return {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path)},
        "metadata": metadata,
        # All files are flushed to disk at the end, once; not at each of many parts of a chunk.
        "context": {"file_io_sync": False},
    }


def _zarr_group(folder: Path, attributes: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (folder / "zarr.json").write_text(json.dumps(group), encoding="utf-8")


def _zarr_consolidated(folder: Path) -> None:
    """Put the metadata of all that is in a group into the group's own, outer groups last.

    Readers then open it at once; xarray warns where this is missing.
    """
    groups = sorted({file.parent for file in folder.rglob("zarr.json")}, reverse=True)
    for group in groups:
        file = group / "zarr.json"
        about = json.loads(file.read_text(encoding="utf-8"))
        if about["node_type"] != "group":
            continue
        inner = sorted(path for path in group.rglob("zarr.json") if path != file)
        members = {
            path.parent.relative_to(group).as_posix(): json.loads(path.read_text(encoding="utf-8"))
            for path in inner
        }
        about["consolidated_metadata"] = {
            "kind": "inline",
            "must_understand": False,
            "metadata": members,
        }
        file.write_text(json.dumps(about), encoding="utf-8")


FORMATS: dict[str, Callable[[_Source, Path], None]] = {
    "tiff": _tiff,
    "npy": _npy,
    "webdataset": _webdataset,
    "zarr": _zarr,
}
