"""``stemfast train transfer`` and ``stemfast study transfer`` as their users meet them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from stemfast import pretrained, transfer
from stemfast.models import Classifier, ClassifierConfig
from stemfast.transfer.architectures import ARCHITECTURES
from stemfast.transfer.finetune import FINE_TUNING
from test_transfer_backbone import tiny

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.fixture
def stemfast(stemfast, tmp_path, monkeypatch):
    """Run a command in a folder with a network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = ClassifierConfig(n_classes=2, image_shape=(32, 32), widths=(8, 16))
    model = Classifier(config, rngs=nnx.Rngs(0))
    card = {"experiment": {"recipe": "count"}, "images_seen": 1000}
    pretrained.save(tmp_path / "net", pretrained.TrainedClassifier(model, ("a", "b"), card=card))
    return stemfast


@pytest.fixture
def own_images(tmp_path):
    """Ten images each of something bright on the left and on the right."""
    rng = np.random.default_rng(1)
    for name, columns in (("left", slice(4, 12)), ("right", slice(20, 28))):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(10):
            image = rng.poisson(20.0, (32, 32)).astype(np.uint16)
            image[8:24, columns] += 300
            np.save(tmp_path / "own" / name / f"{i}.npy", image)
    return tmp_path / "own"


SMALL = ("--recipe", "shapes", "--image-px", "32", "--per-class", "5", "--test-images", "9")


@pytest.mark.parametrize("group", ["train", "study"])
def test_help_has_an_example(stemfast, group):
    result = stemfast(group, "transfer", "--help")
    assert result.exit_code == 0, result.output
    assert f"Example: stemfast {group} transfer" in result.stdout


def test_own_images_from_beginning_to_end(stemfast, own_images, tmp_path):
    words = ("train", "transfer", "--backbone", "net", "--images", "own")
    result = stemfast(*words, "--out", "model")
    assert result.exit_code == 0, result.output
    assert "12 train, 4 validation, 4 test images of 32 x 32 px in 2 classes" in result.stderr
    assert "features of 20 images, 0 of them stored, 20 to compute" in result.stderr
    assert "of 4 images right" in result.stdout
    figures = json.loads((tmp_path / "model" / "result.json").read_text())
    assert figures["class_names"] == ["left", "right"]
    assert figures["features_computed"] == 20

    image = np.load(own_images / "left" / "0.npy")
    name = transfer.load(tmp_path / "model").predict(image).names[0]
    assert name in ("left", "right")
    Image.fromarray(image).save("new.png")  # says no pixel size, and needs none
    for file in ("own/left/0.npy", "new.png"):
        table = stemfast("predict", "model", file)
        assert table.stdout.splitlines()[1].startswith(f"{file},0,{name},")

    again = stemfast(*words, "--out", "model")
    assert again.exit_code == 2
    assert "holds a model already" in again.stderr
    other = stemfast(*words, "--out", "other")
    assert "features of 20 images, 20 of them stored;" in other.stderr


def test_simulated_images(stemfast):
    result = stemfast("train", "transfer", "--backbone", "net", *SMALL)
    assert result.exit_code == 0, result.output
    assert "wrote transfer-net" in result.stdout


def test_all_layers(stemfast, tmp_path):
    words = ("train", "transfer", "--backbone", "net", "--layers", "all", "--epochs", "2")
    result = stemfast(*words, *SMALL)
    assert result.exit_code == 0, result.output
    assert "all layers: 2 epochs of 12 images" in result.stderr
    figures = json.loads((tmp_path / "transfer-net" / "result.json").read_text())
    assert figures["layers"] == "all"
    assert figures["images_seen"] == 24


def test_the_table(stemfast, tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny())
    result = stemfast(
        *("study", "transfer", "--backbone", "tiny", "--weights", "random"),
        *("--pretrained", "net", "--epochs", "1", *SMALL),
    )
    assert result.exit_code == 0, result.output
    for method in (
        "| tiny, last layer retrained ",
        "| ours, from scratch ",
        "| ours, pretrained (net), last layer retrained ",
        "| ours, pretrained (net), all layers fine-tuned ",
    ):
        assert method in result.stdout
    assert "RANDOM weights" in result.stdout
    text = (tmp_path / "comparison" / "comparison.md").read_text()
    assert text.strip() in result.stdout
    assert "shapes: 12 train, 3 validation, 9 test images of 32 x 32 px" in text
    rows = json.loads((tmp_path / "comparison" / "comparison.json").read_text())["rows"]
    for row in rows:
        assert row["test_images"] == 9
        assert 0.0 <= row["interval"][0] <= row["accuracy"] <= row["interval"][1] <= 1.0
        assert row["images_seen"] == (
            12 * FINE_TUNING.epochs if "all layers" in row["method"] else 12
        )
        assert row["seconds"] > 0
    assert rows[2]["pretraining"] == rows[3]["pretraining"] == "1,000 simulated images of count"
    again = stemfast("study", "transfer", "--backbone", "tiny", "--weights", "random")
    assert again.exit_code == 2
    assert "comparison.md exists already" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--backbone", "inception-v4"), "inception-v4"),
        (("--backbone", "net", "--weights", "random"), "brings its weights"),
        (("--backbone", "net", "--images", "nowhere"), "there is no folder nowhere"),
        (("--backbone", "net", "--images", "own", "--recipe", "count"), "for simulated ones"),
        (("--backbone", "net", "--recipe", "nonsense"), "nonsense"),
        (("--backbone", "net", "--recipe", "handedness"), "expected one view"),
        (("--backbone", "resnet50", "--weights", "missing.h5"), "there is no file missing.h5"),
        (("--backbone", "net", "--layers", "most"), "--layers is 'most', expected last or all"),
        (("--backbone", "net", "--epochs", "3"), "--epochs is for --layers all"),
        (("--backbone", "net", "--no-symmetries"), "--no-symmetries is for --layers all"),
        (("--backbone", "resnet50", "--weights", "random", "--layers", "all"), "not for resnet50"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(stemfast, tmp_path, words, said):
    result = stemfast("train", "transfer", *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net"]
