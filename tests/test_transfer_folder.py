"""A user's own folder of labelled images: what is read, how it is split, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stemfast.transfer import from_folder

SIDE = 24


def picture(seed, side=SIDE, dtype=np.uint16):
    return np.random.default_rng(seed).integers(0, 250, (side, side)).astype(dtype)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, image)
    else:
        Image.fromarray(image).save(path)


@pytest.fixture
def folder(tmp_path):
    """Classes of 10 and 20 images in three formats."""
    for k, (name, count) in enumerate((("cube", 10), ("sphere", 20))):
        for i in range(count):
            suffix = (".npy", ".png", ".tif")[i % 3]
            write(tmp_path / "own" / name / f"{i:02d}{suffix}", picture(100 * k + i))
    return tmp_path / "own"


def parts_of(images):
    return {"train": images.train, "validation": images.validation, "test": images.test}


def contents(part):
    return {image.tobytes() for image in part.images}


def test_every_image_in_one_part_and_the_classes_in_their_shares(folder):
    images = from_folder(folder)
    assert images.class_names == ("cube", "sphere")
    counts = {n: np.bincount(p.labels).tolist() for n, p in parts_of(images).items()}
    assert counts == {"train": [6, 12], "validation": [2, 4], "test": [2, 4]}
    whole = [contents(part) for part in parts_of(images).values()]
    assert len(set.union(*whole)) == sum(map(len, whole)) == 30
    cubes = {picture(i).astype(np.float32).tobytes() for i in range(10)}
    for part in parts_of(images).values():
        for image, label in zip(part.images, part.labels, strict=True):
            assert (image.tobytes() in cubes) == (label == 0)
    assert images.image_shape == (SIDE, SIDE)
    assert any("independent" in note for note in images.notes)


def test_the_split_is_the_seeds(folder):
    same, again, other = (from_folder(folder, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(same.test.images, again.test.images)
    assert contents(same.test) != contents(other.test)


def test_images_of_one_group_stay_together(tmp_path):
    group_of = {}
    for k, name in enumerate(("cube", "sphere")):
        for group in range(8):
            for i in range(3):
                image = picture(1000 * k + 10 * group + i)
                write(tmp_path / name / f"micrograph{group}" / f"{i}.npy", image)
                group_of[image.astype(np.float32).tobytes()] = group
    for seed in range(4):
        images = from_folder(tmp_path, seed=seed)
        groups = [{group_of[c] for c in contents(part)} for part in parts_of(images).values()]
        assert sorted(g for found in groups for g in found) == list(range(8))
        assert images.notes == ()


def test_hidden_files_are_not_looked_at(folder):
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "cube" / ".DS_Store").write_bytes(b"x")
    assert len(from_folder(folder).train) == 18


def test_no_folder_and_one_class(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        from_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds 0 class folders, expected at least two"):
        from_folder(tmp_path)
    write(tmp_path / "cube" / "a.npy", picture(0))
    with pytest.raises(ValueError, match="holds 1 class folders: cube, expected at least two"):
        from_folder(tmp_path)


def test_loose_files_and_empty_classes(folder):
    (folder / "rod").mkdir()
    with pytest.raises(ValueError, match="no images in .*rod"):
        from_folder(folder)
    (folder / "rod").rmdir()
    write(folder / "loose.png", picture(7))
    with pytest.raises(ValueError, match=r"files beside the class folders \(loose.png\)"):
        from_folder(folder)


def test_unreadable_files_are_all_named(folder):
    (folder / "cube" / "notes.txt").write_text("cubes")
    (folder / "cube" / "cut.png").write_bytes((folder / "cube" / "01.png").read_bytes()[:60])
    np.save(folder / "sphere" / "nan.npy", np.full((SIDE, SIDE), np.nan))
    np.save(folder / "sphere" / "stack.npy", np.zeros((4, SIDE, SIDE)))
    with pytest.raises(ValueError, match="cannot be read as one image each") as caught:
        from_folder(folder)
    message = str(caught.value)
    assert "4 of 34 files" in message
    for words in ("notes.txt", "unknown file type", "cut.png", "NaN", "a stack of 4 images"):
        assert words in message


def test_sizes_must_agree_and_be_square(folder, tmp_path):
    write(folder / "cube" / "large.npy", picture(55, side=32))
    with pytest.raises(ValueError, match=r"different sizes.*30 of 24 x 24 px.*1 of 32 x 32 px"):
        from_folder(folder)
    for k, name in enumerate(("a", "b")):
        for i in range(5):
            write(tmp_path / "wide" / name / f"{i}.npy", picture(10 * k + i)[:20])
    with pytest.raises(ValueError, match="20 x 24 px, expected square ones"):
        from_folder(tmp_path / "wide")


def test_too_few_images(folder):
    for path in sorted((folder / "cube").iterdir())[:6]:
        path.unlink()
    with pytest.raises(ValueError, match="at least 5 images .* in every class, but cube has 4"):
        from_folder(folder)


def test_the_same_image_twice_is_refused(folder):
    write(folder / "sphere" / "copy.npy", picture(3))
    with pytest.raises(ValueError, match=r"more than once.*cube/03.npy = sphere/copy.npy"):
        from_folder(folder)


def test_folders_too_deep(folder):
    write(folder / "cube" / "a" / "b" / "c.npy", picture(3))
    with pytest.raises(ValueError, match="too deep, expected CLASS/GROUP/image"):
        from_folder(folder)
