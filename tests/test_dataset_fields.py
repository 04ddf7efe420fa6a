"""Sets of fields on disk: files, resuming, and the formats of other programs."""

from __future__ import annotations

import hashlib
import json
import shlex

import numpy as np
import pytest
from PIL import Image as Picture

from stemfast.dataset.fields import FieldPlan, write_fields
from stemfast.dataset.fields.annotations import coco
from stemfast.dataset.fields.record import clipped, recorded
from stemfast.dataset.lock import FileLock
from stemfast.fields import FieldRecipe
from stemfast.fields.shapes import CLASSES

RECIPE = FieldRecipe(
    kinds=("monolayer", "sparse", "silica"), rows=96, columns=128, diameter_px=(10.0, 25.0),
    laboratory=0.5,
)  # fmt: skip
PLAN = FieldPlan(RECIPE, 4, {"train": (0, 9), "test": (100, 103)})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    made = []
    folder = write_fields(
        tmp_path_factory.mktemp("fields") / "set", PLAN, advance=lambda *n: made.append(n)
    )
    assert made == [(1, 1)] * 12
    return folder


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def records(folder, split):
    for path in sorted((folder / "truth" / split).iterdir()):
        yield json.loads(path.read_text(encoding="utf-8"))


def test_files_hold_the_fields(written):
    kinds = set()
    for place in PLAN.places():
        field = RECIPE.draw(4, place.index)
        image = np.asarray(Picture.open(place.file(written, "images", ".png")))
        record = json.loads(place.file(written, "truth", ".json").read_text(encoding="utf-8"))
        kinds.add(field.image.dtype)
        if field.image.dtype == np.uint8:
            assert np.array_equal(image, field.image)
            assert record["grey_electrons"] is None
        else:
            low, high = record["grey_electrons"]
            found = low + image * ((high - low) / 255.0)
            assert np.abs(found - field.image).max() <= 0.51 * (high - low) / 255.0
        assert record["particles"]["label"] == field.truth.label.tolist()
        assert record["particles"]["box"] == field.truth.box.tolist()
        assert record["particles"]["visible"] == field.truth.visible.tolist()
        assert record["pixel_size_nm"] == field.pixel_size_nm
    assert len(kinds) == 2


def test_masks_are_int32_and_as_large_as_the_images(written):
    tifffile = pytest.importorskip("tifffile", reason="reads the masks as others do")
    for place in PLAN.places("test"):
        mask = tifffile.imread(place.file(written, "masks", ".tif"))
        assert mask.dtype == np.int32
        assert np.array_equal(mask, RECIPE.draw(4, place.index).labels)


def test_what_is_missing_is_written_again_and_nothing_else(written, tmp_path):
    import shutil

    copy = tmp_path / "set"
    shutil.copytree(written, copy)
    before = digests(copy)
    (copy / "truth" / "train" / "000003.json").unlink()
    (copy / "images" / "train" / "000003.png").unlink()
    (copy / "truth" / "test" / "000000.json").unlink()
    (copy / "README.md").unlink()
    kept = (copy / "images" / "train" / "000002.png").stat().st_mtime_ns
    made = []
    write_fields(copy, PLAN, advance=lambda *n: made.append(n))
    assert len(made) == 2
    assert digests(copy) == before
    assert (copy / "images" / "train" / "000002.png").stat().st_mtime_ns == kept


def test_what_a_killed_writer_left_goes_away(tmp_path):
    plan = FieldPlan(RECIPE, 4, {"train": (0, 2)})
    folder = write_fields(tmp_path / "set", plan)
    before = digests(folder)
    (folder / "masks" / "train" / ".000001.tif.host-1-aa.tmp").write_text("half")
    write_fields(folder, plan)
    assert digests(folder) == before


def test_two_writers_are_one_too_many(tmp_path):
    plan = FieldPlan(RECIPE, 4, {"train": (0, 1)})
    folder = write_fields(tmp_path / "set", plan)
    lock = FileLock(folder / ".lock")
    assert lock.acquire()
    with pytest.raises(FileExistsError, match="another run writes to"):
        write_fields(folder, plan)
    lock.release()
    write_fields(folder, plan)


def test_workers_do_not_change_a_bit(written, tmp_path):
    assert digests(write_fields(tmp_path / "set", PLAN, workers=2)) == digests(written)


def test_coco_describes_the_visible_particles(written):
    found = json.loads((written / "annotations" / "train.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in found["images"]] == [
        f"images/train/{number:06d}.png" for number in range(9)
    ]
    assert [category["name"] for category in found["categories"]] == list(CLASSES)
    own = list(records(written, "train"))
    assert len(found["annotations"]) == sum(sum(r["particles"]["visible"]) for r in own) > 20
    assert [a["id"] for a in found["annotations"]] == list(range(1, len(found["annotations"]) + 1))
    names = {category["id"]: category for category in found["categories"]}
    keyed = 0
    for annotation in found["annotations"]:
        record = own[annotation["image_id"] - 1]
        particles = record["particles"]
        row = annotation["label"] - 1
        assert names[annotation["category_id"]]["name"] == particles["class"][row]
        ((*polygon,),) = annotation["segmentation"]
        x, y = np.array(polygon).reshape(-1, 2).T
        left, top, width, height = annotation["bbox"]
        corners = (x.min(), y.min(), x.max(), y.max())
        assert np.allclose((left, top, left + width, top + height), corners, atol=2e-3)
        # It holds the centres of the pixels in the truth's box.
        first, last, start, stop = particles["box"][row]
        assert 0 <= x.min() <= start + 0.5 + 0.02 * width
        assert 0 <= y.min() <= first + 0.5 + 0.02 * height
        assert stop - 0.5 - 0.02 * width <= x.max() <= 128
        assert last - 0.5 - 0.02 * height <= y.max() <= 96
        # Pixels of a convex outline: as many as its area, give or take those at its edge.
        around = np.hypot(np.diff(x, append=x[0]), np.diff(y, append=y[0])).sum()
        assert abs(annotation["area"] - particles["area_px"][row]) < 0.5 * around
        points = annotation["keypoints"]
        assert len(points) == 3 * len(names[annotation["category_id"]]["keypoints"])
        assert annotation["num_keypoints"] == sum(flag > 0 for flag in points[2::3])
        keyed += annotation["num_keypoints"] > 0
    assert keyed > 5


def test_key_points_are_projected_corners(written):
    found = json.loads((written / "annotations" / "train.json").read_text(encoding="utf-8"))
    own = list(records(written, "train"))
    seen = hidden = lost = 0
    for annotation in found["annotations"]:
        record = own[annotation["image_id"] - 1]
        corners = record["particles"]["corners"][annotation["label"] - 1]
        mask = np.asarray(Picture.open(written / record["mask"]))
        for (row, column), (x, y, flag) in zip(
            corners, np.array(annotation["keypoints"]).reshape(-1, 3), strict=False
        ):
            if flag == 0:
                lost += 1
                assert not (0 <= row < 95 and 0 <= column < 127)
                continue
            assert (x, y) == (pytest.approx(column + 0.5), pytest.approx(row + 0.5))
            around = mask[max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2]
            if flag == 1:
                hidden += 1
                assert (around > annotation["label"]).any()
            else:
                seen += 1
                assert (around <= annotation["label"]).any()
    assert seen > 100
    assert hidden > 0
    assert lost > 0


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_the_annotations(written):
    reader = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    data = reader.COCO(str(written / "annotations" / "test.json"))
    for annotation in data.loadAnns(data.getAnnIds()):
        area = data.annToMask(annotation).sum()
        assert area == pytest.approx(annotation["area"], rel=0.2, abs=12)


def test_yolo_boxes_are_those_of_the_truth(written):
    for record in records(written, "train"):
        number = record["number"]
        text = (written / "labels" / "train" / f"{number:06d}.txt").read_text()
        particles = record["particles"]
        boxes = [b for b, seen in zip(particles["box"], particles["visible"], strict=True) if seen]
        lines = [line.split() for line in text.splitlines()]
        assert len(lines) == len(boxes)
        for (top, bottom, left, right), (kind, *numbers) in zip(boxes, lines, strict=True):
            assert list(CLASSES)[int(kind)] in particles["class"]
            x, y, w, h = map(float, numbers)
            found = ((y - h / 2) * 96, (y + h / 2) * 96, (x - w / 2) * 128, (x + w / 2) * 128)
            assert np.allclose(found, (top, bottom, left, right), atol=1e-3)
    said = (written / "data.yaml").read_text()
    assert "train: images/train\ntest: images/test\nnames:\n  0: sphere\n" in said


def test_metadata_has_a_line_for_each_image(written):
    lines = (written / "images" / "train" / "metadata.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [line["file_name"] for line in found] == [f"{k:06d}.png" for k in range(9)]
    for line, record in zip(found, records(written, "train"), strict=True):
        objects = line["objects"]
        assert {len(column) for column in objects.values()} == {len(record["particles"]["label"])}
        assert objects["visible"] == record["particles"]["visible"]
        assert (written / line["mask"]).is_file()


def test_parquet_holds_the_images(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    plan = FieldPlan(RECIPE, 1, {"train": (0, 3)})
    folder = write_fields(tmp_path / "set", plan, parquet=True)
    table = parquet.read_table(folder / "parquet" / "train.parquet")
    assert table.num_rows == 3
    (first, *_) = table.to_pylist()
    assert first["image"]["bytes"] == (folder / "images" / "train" / "000000.png").read_bytes()
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == table.column_names


def test_the_card_has_the_command_that_made_the_set(written, stemfast, tmp_path):
    text = (written / "README.md").read_text(encoding="utf-8")
    assert "12 images of 96 x 128 px (train 9, test 3)" in text
    assert "BSD-3-Clause" in text
    # `test` of this set does not begin where the command line begins it; `train` alone does.
    plan = FieldPlan(RECIPE, 4, {"train": (0, 2)})
    write_fields(tmp_path / "one", plan)
    text = (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    command = text.partition("```sh\n")[2].partition("```")[0].replace("\\\n", "")
    words = shlex.split(command)
    assert words[:4] == ["stemfast", "dataset", "fields", "one"]
    words[3] = "other"
    result = stemfast(*words[1:])
    assert result.exit_code == 0, result.stderr
    one, other = digests(tmp_path / "one"), digests(tmp_path / "other")
    assert one.pop("README.md") != other.pop("README.md")
    assert one == other


def test_tiff_holds_the_fields_own_numbers(tmp_path):
    rsciio = pytest.importorskip("rsciio.tiff", reason="RosettaSciIO is not installed")
    plan = FieldPlan(RECIPE, 4, {"train": (0, 4)}, ending=".tif")
    folder = write_fields(tmp_path / "set", plan)
    for place in plan.places():
        field = RECIPE.draw(4, place.index)
        (signal,) = rsciio.file_reader(str(place.file(folder, "images", ".tif")))
        assert np.array_equal(signal["data"], field.image)
        assert signal["axes"][0]["scale"] == pytest.approx(field.pixel_size_nm, rel=1e-6)


def test_the_command_goes_on_where_it_was(stemfast, tmp_path):
    words = ("dataset", "fields", "set", "-n", "10", "--size", "48", "--kind", "sparse")
    result = stemfast(*words)
    assert result.exit_code == 0, result.stderr
    assert "10 fields of 48 x 48 px" in result.stdout
    before = digests(tmp_path / "set")
    (tmp_path / "set" / "truth" / "train" / "000004.json").unlink()
    result = stemfast(*words)
    assert "9 are there already" in result.stdout
    assert digests(tmp_path / "set") == before


def test_info_and_resume_know_sets_of_fields(stemfast, tmp_path):
    plan = FieldPlan(FieldRecipe(kinds=("sparse",), rows=48, columns=64), 2, {"train": (0, 3)})
    write_fields(tmp_path / "set", plan)
    before = digests(tmp_path / "set")
    assert FieldPlan.read(tmp_path / "set") == plan
    assert (
        "3 fields of 48 x 64 px, seed 2: train 3\ncomplete"
        in stemfast("dataset", "info", "set").stdout
    )
    (tmp_path / "set" / "truth" / "train" / "000001.json").unlink()
    said = stemfast("dataset", "info", "set").stdout
    assert "NOT complete: 1 of 3 are missing" in said
    assert "  kinds = ['sparse']" in said
    result = stemfast("dataset", "resume", "set")
    assert result.exit_code == 0, result.stderr
    assert digests(tmp_path / "set") == before
    result = stemfast("dataset", "resume", "set", "--shards", "0:1")
    assert "--shards and --dask are for sets of create" in result.stderr
    (tmp_path / "set" / "fields.json").write_text("{}")
    assert "fields.json cannot be read" in stemfast("dataset", "info", "set").stderr
    with pytest.raises(FileNotFoundError, match="holds no set of fields"):
        FieldPlan.read(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-n", "10", "--seed", "5"), "differs from this: --seed: 0 → 5"),
        (("-n", "10", "--set", "cover=[0.1, 0.2]"), "recipe.cover: [0.01, 0.3] → [0.1, 0.2]"),
        ((), "say how many fields to simulate"),
        (("-n", "10", "--kind", "silca"), "did you mean 'silica'?"),
        (("-n", "10", "--set", "covr=1"), "no setting 'covr'; did you mean 'cover'?"),
        (("-n", "10", "--splits", "train:5"), "hold 5 images, expected 10"),
    ],
)
def test_bad_words_are_refused(stemfast, tmp_path, words, said):
    plan = FieldPlan(
        FieldRecipe(), 0, {"train": (0, 8), "validation": (2**40, 2**40 + 1),
                           "test": (2**41, 2**41 + 1)},
    )  # fmt: skip
    plan.claim(tmp_path / "set")
    result = stemfast("dataset", "fields", "set", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        write_fields(tmp_path / "set", PLAN)
    with pytest.raises(ValueError, match="is a file"):
        write_fields(tmp_path / "set" / "thesis.txt", PLAN)
    with pytest.raises(ValueError, match="workers is 0"):
        write_fields(tmp_path / "other", PLAN, workers=0)
    assert not (tmp_path / "other").exists()


def test_outlines_are_clipped_to_the_field():
    rng = np.random.default_rng(1)
    turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for _ in range(40):
        middle, radius = rng.uniform(-5, 25, 2), rng.uniform(2, 15)
        outline = middle + radius * np.stack([np.sin(turns), np.cos(turns)], axis=1)
        found = clipped(outline, (20, 24))
        fine = np.stack(np.meshgrid(*2 * [np.arange(-0.45, 24, 0.1)], indexing="ij"), -1)
        inside = np.ones(fine.shape[:2], bool)
        for a, b in zip(outline, np.roll(outline, -1, 0), strict=True):
            turn = (b[0] - a[0]) * (fine[..., 1] - a[1]) - (b[1] - a[1]) * (fine[..., 0] - a[0])
            inside &= turn <= 0
        inside &= (fine[..., 0] < 19.5) & (fine[..., 1] < 23.5)
        if len(found) == 0:
            assert inside.sum() == 0
            continue
        assert found.min() >= -0.5 - 1e-9
        assert (found.max(axis=0) <= (19.5 + 1e-9, 23.5 + 1e-9)).all()
        y, x = found.T
        area = 0.5 * abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1)))
        assert area == pytest.approx(0.01 * inside.sum(), rel=0.02, abs=1.5)


def test_a_field_without_particles_has_no_annotations():
    for index in range(400):
        field = FieldRecipe(kinds=("silica",), rows=48, columns=48).draw(1, index)
        if len(field.truth) == 0:
            break
    assert len(field.truth) == 0
    (place,) = FieldPlan(RECIPE, 1, {"train": (0, 1)}).places()
    record = recorded(field, place, ".png", None)
    assert coco([record], licence="x", description="y")["annotations"] == []
