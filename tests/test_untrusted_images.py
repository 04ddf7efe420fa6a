"""Image files of strangers: nothing large is unpacked, nothing outside is read, no code runs."""

from __future__ import annotations

import json
import os
import sys
import zipfile
import zlib

import numpy as np
import pytest

import stemfast as sf
from stemfast.micrograph import MicrographError
from stemfast.micrograph.files import unpacking

pytest.importorskip("rsciio", reason="needs RosettaSciIO, the extra [io]")
h5py = pytest.importorskip("h5py")
RAMP = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


@pytest.fixture
def signal(tmp_path):
    return sf.Image(RAMP, 0.5, title="ramp").save(tmp_path / "a.hspy")


def data_of(file):
    (group,) = file["Experiments"].values()
    return group


def test_a_tiff_that_unpacks_a_thousandfold_is_not_unpacked(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    side, strip = 20_000, 200
    packed = zlib.compress(bytes(side * strip), 9)
    tifffile.imwrite(
        tmp_path / "a.tif",
        (packed for _ in range(side // strip)),
        shape=(side, side),
        dtype=np.uint8,
        rowsperstrip=strip,
        compression="zlib",
    )
    assert (tmp_path / "a.tif").stat().st_size < 1_000_000
    with pytest.raises(MicrographError, match=r"would unpack .* to 400 MB, expected an image"):
        sf.micrograph.read(tmp_path / "a.tif", pixel_size_nm=1)


@pytest.mark.parametrize("big", [False, True])
def test_tiff_pages_in_a_circle_are_not_followed_for_ever(tmp_path, big):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([RAMP, RAMP]), bigtiff=big, metadata=None, photometric=1)
    assert sf.micrograph.read(path, pixel_size_nm=1, index=1).image.max() == RAMP.max()
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        first, second = (page.offset for page in file.pages)
    place, count = (8, 8) if big else (4, 2)
    n_tags = int.from_bytes(content[second : second + count], "little")
    after = second + count + n_tags * (20 if big else 12)
    content[after : after + place] = first.to_bytes(place, "little")
    path.write_bytes(content)
    with pytest.raises(MicrographError, match=r"a\.tif: its pages go in a circle: after page 2"):
        sf.micrograph.read(path, pixel_size_nm=1)


@pytest.mark.parametrize("suffix", ["png", "ppm"])
def test_a_picture_is_not_unpacked_to_more_than_it_can_be(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "ppm":
        path.write_bytes(b"P6 10000 14000 255\n")
    else:
        head = (
            b"IHDR" + (10_000).to_bytes(4, "big") + (14_000).to_bytes(4, "big") + b"\x08\x02\0\0\0"
        )
        parts = [head, b"IDAT" + zlib.compress(bytes(1000)), b"IEND"]
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + b"".join(
                (len(part) - 4).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big")
                for part in parts
            )
        )
    with pytest.raises(MicrographError, match=r"would unpack .* to 420 MB"):
        sf.micrograph.read(path, pixel_size_nm=1)


def test_a_compressed_shard_is_looked_at_before_it_is_unpacked(signal):
    with h5py.File(signal, "r+") as file:
        group = data_of(file)
        del group["data"]
        group.create_dataset(
            "data", (40_000, 40_000), "f8", chunks=(4000, 4000), compression="gzip"
        )
    with pytest.raises(MicrographError, match=r"would unpack 0 MB to 1.28e\+04 MB"):
        sf.micrograph.read(signal)


def test_many_arrays_that_unpack_to_much_together_are_refused(signal):
    with h5py.File(signal, "r+") as file:
        for k in range(3):
            file.create_dataset(f"x{k}", (15_000, 15_000), "u1", compression="gzip")
    with pytest.raises(MicrographError, match="would unpack .* to 675 MB"):
        sf.micrograph.read(signal)


def test_a_blockfile_that_is_shorter_than_it_says_is_not_filled_up(tmp_path):
    head = b"IMGBLO" + np.array([258], "<u2").tobytes() + bytes(12)
    head += np.array([256, 0, 200, 200], "<u2").tobytes()  # 200 x 200 patterns of 256 x 256
    (tmp_path / "a.blo").write_bytes(head.ljust(4096, b"\0"))
    with pytest.raises(MicrographError, match=r"a\.blo: would unpack .* to 2621 MB"):
        sf.micrograph.read(tmp_path / "a.blo")


def test_labels_that_are_none_are_named(tmp_path):
    np.save(tmp_path / "labels.npy", np.full((40, 50), 0.5))
    with pytest.raises(MicrographError, match=r"labels\.npy: labels: got fractions"):
        sf.find(np.float32(RAMP), pixel_size_nm=1, labels=tmp_path / "labels.npy")


def test_a_heap_that_hdf5_would_read_for_ever_is_refused(signal):
    content = bytearray(signal.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 48] = bytes(32)  # free space that takes no room
    signal.write_bytes(content)
    with pytest.raises(MicrographError, match=r"a\.hspy: the heap at byte .* is damaged"):
        sf.micrograph.read(signal)


def test_external_storage_is_not_read(signal, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(os.urandom(4000))
    with h5py.File(signal, "r+") as file:
        group = data_of(file)
        del group["data"]
        group.create_dataset("data", (40, 50), "u2", external=[(str(secret), 0, 4000)])
    with pytest.raises(MicrographError, match="takes its data from another file"):
        sf.micrograph.read(signal)


@pytest.mark.parametrize("virtual", [False, True])
def test_links_to_other_folders_are_not_followed(signal, tmp_path, virtual):
    outside = tmp_path / "elsewhere" / "b.hspy"
    outside.parent.mkdir()
    sf.Image(RAMP, 0.5).save(outside)
    with h5py.File(outside) as file:
        inside = data_of(file)["data"].name
    with h5py.File(signal, "r+") as file:
        group = data_of(file)
        del group["data"]
        if virtual:
            layout = h5py.VirtualLayout((40, 50), "u2")
            layout[:] = h5py.VirtualSource(str(outside), inside, (40, 50))
            group.create_virtual_dataset("data", layout)
        else:
            group["data"] = h5py.ExternalLink(str(outside), inside)
    with pytest.raises(MicrographError, match="takes data from another file"):
        sf.micrograph.read(signal)


@pytest.mark.parametrize("harm", ["storage", "link"])
def test_a_file_beside_it_is_checked_too(signal, tmp_path, harm):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4000))
    with h5py.File(tmp_path / "beside.h5", "w") as file:
        if harm == "storage":
            file.create_dataset("data", (40, 50), "u2", external=[(str(secret), 0, 4000)])
        else:
            file["data"] = h5py.ExternalLink("/elsewhere/c.h5", "data")
    with h5py.File(signal, "r+") as file:
        data_of(file)["more"] = h5py.ExternalLink("beside.h5", "data")
    with pytest.raises(MicrographError, match="from another file"):
        sf.micrograph.read(signal)


def test_an_honest_file_passes_groups_in_a_circle_too(signal):
    with h5py.File(signal, "r+") as file:
        file["circle"] = file["/"]
        file["soft"] = h5py.SoftLink("/nowhere")
    assert np.array_equal(sf.micrograph.read(signal).image, RAMP)


def zspy(folder, shape):
    """A store whose array has no chunks: all of it is the fill value."""
    data = folder / "Experiments" / "x" / "data"
    data.mkdir(parents=True)
    for group in (folder, data.parents[1], data.parent):
        (group / ".zgroup").write_text('{"zarr_format": 2}')
    about = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": [100, 100],
        "dtype": "<f4",
        "compressor": None,
        "fill_value": 0,
        "filters": None,
        "order": "C",
    }
    (data / ".zarray").write_text(json.dumps(about))
    return folder


def test_a_zarr_store_without_chunks_is_not_filled(tmp_path):
    pytest.importorskip("tensorstore", reason="reads .zspy, the extra [zarr]")
    with pytest.raises(MicrographError, match="would unpack .* expected an image"):
        sf.micrograph.read(zspy(tmp_path / "a.zspy", [10**6, 10**6]), pixel_size_nm=1)


@posix
def test_links_in_a_zarr_store_are_not_followed(tmp_path):
    store = zspy(tmp_path / "a.zspy", [40, 50])
    (store / "Experiments" / "x" / "data" / "0.0").symlink_to("/etc/passwd")
    with pytest.raises(MicrographError, match=r"0\.0 in it is no regular file"):
        sf.micrograph.read(store, pixel_size_nm=1)


def test_a_zip_that_unpacks_a_thousandfold_is_not_unpacked(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.zspy", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("0.0", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(2**20))
    with pytest.raises(MicrographError, match="would unpack .* to 314.6 MB"):
        sf.micrograph.read(tmp_path / "a.zspy", pixel_size_nm=1)


def test_a_size_is_held_against_the_free_memory(monkeypatch):
    monkeypatch.setattr(unpacking, "free_memory", lambda: 10**9)
    unpacking.check_size(9 * 10**8, 10**8)
    with pytest.raises(MicrographError, match="expected less than the 1000 MB that are free"):
        unpacking.check_size(2 * 10**9, 10**9)


@posix
def test_a_pipe_is_no_micrograph(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(MicrographError, match="not a regular file"):
        sf.micrograph.read(tmp_path / "a.tif")
