"""Small whole image files of many formats, and their loaders: the corpora of `fuzz_loaders`."""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parents[2] / "shared" / "data" / "field"
GREY = (np.add.outer(np.arange(12), 3 * np.arange(10)) % 41).astype(np.uint8)
SEEDS_OF_DATA = 40_000  # bytes; larger ones change too slowly


class Loader(ABC):
    """One loader with a corpus of whole files; `read` is given changed ones."""

    file: Path

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """Words that an error must hold."""
        return str(self.file)

    @abstractmethod
    def seeds(self) -> Iterator[bytes]:
        """Contents of whole files to begin with."""

    @abstractmethod
    def read(self, content: bytes) -> None:
        """Give the loader a file of this content, and look at what it makes of it."""


class Image(Loader):
    """An image file of one suffix, by the reader of `stemfast.find`."""

    suffix = ".npy"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / f"strange{self.suffix}"

    def seeds(self) -> Iterator[bytes]:
        for k, write in enumerate(self.writers()):
            with suppress(ImportError):
                path = self.folder / f"seed{k}{self.suffix}"
                write(path)
                yield path.read_bytes()
        for path in sorted(DATA.rglob(f"*{self.suffix}")):
            if path.stat().st_size < SEEDS_OF_DATA:
                yield path.read_bytes()

    def writers(self) -> Iterator[Callable[[Path], object]]:
        import stemfast as sf

        for values in (GREY, GREY.astype(np.float32), np.stack([GREY, GREY[::-1]])):
            yield sf.Image(values, 0.5, title="grey").save

    def read(self, content: bytes) -> None:
        self.file.write_bytes(content)
        found = _first_image(self.file)
        assert found.image.dtype == np.float32
        assert np.isfinite(found.image).all()
        assert found.pixel_size_nm is None or 0 < found.pixel_size_nm < np.inf


def _first_image(path: Path) -> Any:
    from stemfast.micrograph.files.read import read_image

    try:
        return read_image(path)
    except ValueError as error:
        if "say which" not in str(error):
            raise
        return read_image(path, index=0, dataset=0)


class Tiff(Image):
    suffix = ".tif"

    def writers(self) -> Iterator[Callable[[Path], object]]:
        import tifffile

        yield from super().writers()
        about = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        for options in (
            {"compression": "zlib"},
            {"photometric": "miniswhite", "tile": (16, 16)},
            {"imagej": True, "metadata": {"unit": "nm"}, "resolution": (2, 2)},
            {"ome": True, "metadata": about},
            {"bigtiff": True, "byteorder": ">"},
        ):
            yield lambda path, options=options: tifffile.imwrite(path, GREY, **options)


class Picture(Image):
    modes = ("L",)

    def writers(self) -> Iterator[Callable[[Path], object]]:
        from PIL import Image as Pillow

        for mode in self.modes:
            picture = Pillow.fromarray(GREY).convert(mode)
            yield lambda path, picture=picture: picture.save(path)


class Png(Picture):
    suffix, modes = ".png", ("L", "P", "RGB", "RGBA", "LA", "1", "I;16")

    def writers(self) -> Iterator[Callable[[Path], object]]:
        import stemfast as sf

        yield from super().writers()
        yield sf.Image(GREY, 0.5).save

    def read(self, content: bytes) -> None:
        super().read(_with_checksums(content))


def _with_checksums(content: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold."""
    whole, at = bytearray(content), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


class Jpeg(Picture):
    suffix, modes = ".jpg", ("L", "RGB", "CMYK")


class Bmp(Picture):
    suffix, modes = ".bmp", ("L", "RGB", "1")


class Gif(Picture):
    suffix = ".gif"


class Webp(Picture):
    suffix, modes = ".webp", ("RGB",)


class Pgm(Picture):
    suffix, modes = ".pgm", ("L", "1")


class Mrc(Image):
    suffix = ".mrc"

    def writers(self) -> Iterator[Callable[[Path], object]]:
        for mode, kind in ((0, "i1"), (1, "<i2"), (2, "<f4"), (6, "<u2")):
            yield lambda path, mode=mode, kind=kind: path.write_bytes(_mrc(mode, kind))


def _mrc(mode: int, kind: str) -> bytes:
    """A stack of two frames; its cell says 5 Å a pixel."""
    header = bytearray(1024)
    header[:40] = np.array([10, 12, 2, mode, 0, 0, 0, 10, 12, 2], "<i4").tobytes()
    header[40:52] = np.array([50, 60, 2], "<f4").tobytes()
    header[64:76] = np.array([1, 2, 3], "<i4").tobytes()
    header[208:216] = b"MAP DD\x00\x00"
    return bytes(header) + np.stack([GREY, GREY[::-1]]).astype(kind).tobytes()


class Hspy(Image):
    suffix = ".hspy"


class Hdf5(Image):
    suffix = ".h5"

    def writers(self) -> Iterator[Callable[[Path], object]]:
        import h5py

        def plain(path: Path) -> None:
            with h5py.File(path, "w") as file:
                file.create_dataset("a/b", data=GREY)
                file["a"].attrs["NX_class"] = "NXdata"
                file["a/b"].attrs["units"] = "nm"

        def packed(path: Path) -> None:
            with h5py.File(path, "w", libver="latest") as file:
                file.create_dataset("x", data=GREY, chunks=(4, 5), compression="gzip")

        yield plain
        yield packed


class Emd(Image):
    suffix = ".emd"

    def writers(self) -> Iterator[Callable[[Path], object]]:
        import h5py

        def berkeley(path: Path) -> None:
            with h5py.File(path, "w") as file:
                file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
                group = file.create_group("data/grey")
                group.attrs["emd_group_type"] = 1
                group["data"] = GREY
                for k, size in enumerate(GREY.shape, start=1):
                    group[f"dim{k}"] = 0.5 * np.arange(size)
                    group[f"dim{k}"].attrs["name"] = "yx"[k - 1]
                    group[f"dim{k}"].attrs["units"] = "[n_m]"

        def velox(path: Path) -> None:
            about = {
                "BinaryResult": {"PixelSize": {"width": "5e-10", "height": "5e-10"},
                                 "PixelUnitX": "m", "PixelUnitY": "m", "Detector": "HAADF"},
                "Detectors": {}, "Optics": {}, "Scan": {}, "Core": {}, "CustomProperties": {},
                "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "0"}},
            }  # fmt: skip
            text = np.frombuffer(json.dumps(about).encode().ljust(999, b"\0"), np.uint8)
            with h5py.File(path, "w") as file:
                group = file.create_group("Data/Image/0")
                group["Data"], group["Metadata"] = GREY[:, :, None], text[:, None]
                file["Version"] = [b'{"format": "Velox", "version": "1.0"}']

        yield berkeley
        yield velox


class Dm(Image):
    suffix = ".dm4"

    def writers(self) -> Iterator[Callable[[Path], object]]:
        yield lambda path: path.write_bytes(_dm4())


def _dm4() -> bytes:
    """A file of DigitalMicrograph with one image of 0.5 nm a pixel."""

    def number(value: int, size: int = 8) -> bytes:
        return value.to_bytes(size, "big")

    def entry(kind: int, name: str, body: bytes) -> bytes:
        return bytes([kind]) + number(len(name), 2) + name.encode() + number(len(body)) + body

    def data(name: str, kind: int, value: bytes, *info: int) -> bytes:
        words = (kind, *info)
        head = b"%%%%" + number(len(words)) + b"".join(map(number, words))
        return entry(21, name, head + value)

    def integer(name: str, value: int) -> bytes:
        return data(name, 3, value.to_bytes(4, "little"))

    def text(name: str, value: str) -> bytes:
        return data(name, 20, value.encode("utf-16-le"), 4, len(value))

    def group(name: str, *inside: bytes) -> bytes:
        return entry(20, name, b"\0\0" + number(len(inside)) + b"".join(inside))

    scale = np.float32(0.5).tobytes()
    axis = group("", data("Origin", 6, bytes(4)), data("Scale", 6, scale), text("Units", "nm"))
    image = group(
        "",
        group(
            "ImageData",
            group("Calibrations", group("Dimension", axis, axis)),
            data("Data", 20, GREY.tobytes(), 10, GREY.size),
            integer("DataType", 6),
            group("Dimensions", integer("", 10), integer("", 12)),
            integer("PixelDepth", 1),
        ),
        group("ImageTags"),
        text("Name", "grey"),
    )
    tags = group("ImageList", image, image)
    root = b"\0\0" + number(1) + tags
    return number(4, 4) + number(len(root)) + number(1, 4) + root + bytes(8)


class Ser(Image):
    suffix = ".ser"

    def writers(self) -> Iterator[Callable[[Path], object]]:
        yield lambda path: path.write_bytes(_ser())


def _ser() -> bytes:
    """A series of TIA with one image of 0.5 nm a pixel."""
    head = np.array([(0x4949, 0x0197, 0x0220)], "<u2,<u2,<u2").tobytes()
    size = np.array([0x4122, 0x4152, 1, 1], "<u4").tobytes()
    dimension = np.array([1], "<u4").tobytes() + np.array([0.0, 1.0], "<f8").tobytes()
    dimension += bytes(12)
    offsets_at = len(head) + len(size) + 8 + 4 + len(dimension)
    start = offsets_at + 16
    record = (
        b"".join(np.array([(0.0, 5e-10, 0)], "<f8,<f8,<u4").tobytes() for _ in GREY.shape)
        + np.array([(1, 10, 12)], "<u2,<u4,<u4").tobytes()
    )
    tail = start + len(record) + GREY.size
    return (
        head + size + offsets_at.to_bytes(8, "little") + np.array([1], "<u4").tobytes() + dimension
        + np.array([start, tail], "<u8").tobytes() + record + GREY.tobytes() + bytes(12)
    )  # fmt: skip


class Emi(Image):
    """The file beside a ``.ser``: XML inside of bytes of another kind."""

    suffix = ".emi"

    def seeds(self) -> Iterator[bytes]:
        (self.folder / "strange_1.ser").write_bytes(_ser())
        yield (
            b"\0\1<ObjectInfo><ExperimentalDescription><Root></Root></ExperimentalDescription>"
            + (b"<Uuid>1</Uuid><AcquireDate>Mon Jan 01 10:00:00 2024</AcquireDate></ObjectInfo>\0")
        )
        yield from super().seeds()

    def writers(self) -> Iterator[Callable[[Path], object]]:
        yield from ()


class Blockfile(Image):
    suffix = ".blo"

    def writers(self) -> Iterator[Callable[[Path], object]]:
        from rsciio.blockfile import file_writer

        axes = [
            {"name": n, "size": s, "scale": 0.5, "offset": 0.0, "units": u, "navigate": u == "nm",
             "index_in_array": k}
            for k, (n, s, u) in enumerate([("y", 8, "nm"), ("x", 9, "nm"), ("dy", 8, "cm"),
                                           ("dx", 8, "cm")])
        ]  # fmt: skip

        def write(path: Path) -> None:
            data = np.arange(72 * 64, dtype=np.uint8).reshape(8, 9, 8, 8)
            signal = {"data": data, "axes": axes, "metadata": {}, "original_metadata": {}}
            file_writer(str(path), {**signal, "attributes": {"_lazy": False}})

        yield write


class Zspy(Loader):
    """The description of an array in HyperSpy's Zarr store, and its one chunk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "strange.zspy"
        self.array = self.file / "Experiments" / "a" / "data"

    def seeds(self) -> Iterator[bytes]:
        self.array.mkdir(parents=True)
        for group in (self.file, *self.array.parents[:2]):
            (group / ".zgroup").write_text('{"zarr_format": 2}')
        about = {"zarr_format": 2, "shape": [12, 10], "chunks": [12, 10], "dtype": "|u1",
                 "compressor": None, "fill_value": 0, "filters": None, "order": "C"}  # fmt: skip
        yield json.dumps(about).encode() + b"\n" + GREY.tobytes()
        about["compressor"] = {"id": "zlib", "level": 1}
        yield json.dumps(about).encode() + b"\n" + zlib.compress(GREY.tobytes())

    def read(self, content: bytes) -> None:
        about, _, chunk = content.partition(b"\n")
        (self.array / ".zarray").write_bytes(about)
        (self.array / "0.0").write_bytes(chunk)
        _first_image(self.file)
