"""Networks of strangers: a changed byte is found, and what is missing is named."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save as to_bytes

from stemfast import pretrained
from stemfast.models.finder import Finder, FinderConfig
from stemfast.pretrained import finder, reconstructor, shipped, store
from untrained import by_chance

CONFIG = "config.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "network"
    pretrained.save(folder, by_chance())
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "network")


def changed(folder: Path, drop: str = "", **changes: object) -> None:
    """Change the configuration, with a checksum that is right."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8")) | changes
    config.pop(drop, None)
    (folder / CONFIG).write_text(store.sealed_text(config), encoding="utf-8")


def test_no_flipped_bit_of_the_configuration_changes_the_network(folder):
    whole = (folder / CONFIG).read_bytes()
    says, drawn = json.loads(whole), random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        content[drawn.randrange(len(whole))] ^= 1 << drawn.randrange(8)
        (folder / CONFIG).write_bytes(content)
        try:
            config = store.read_config(folder, keys={"card": dict})
        except ValueError:
            refused += 1
        else:
            assert config == says  # a space that became another
    assert refused > 200


@pytest.mark.parametrize("key", ["class_names", "temperature", "architecture", "card"])
def test_a_missing_key_is_named(folder, key):
    changed(folder, drop=key)
    with pytest.raises(ValueError, match=rf"config\.json has no '{key}', expected "):
        pretrained.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": "warm"}, "has str as 'temperature', expected a number"),
        ({"temperature": True}, "has bool as 'temperature', expected a number"),
        ({"architecture": {"n_classes": 9}}, "wrong architecture"),
        ({"weights_sha256": None}, "has NoneType as 'weights_sha256', expected a text"),
        ({"novelty": {"quantile": 0.5}}, "has no 'novelty.sha256'"),
        ({"format_version": True}, "format_version True"),
        ({"temperature": -1.0}, r"config\.json: temperature is -1\.0"),
        ({"class_names": ["one"]}, r"config\.json: class_names is \('one',\)"),
        ({"card": {"test": 5}}, r"has 5 as 'card\.test', expected an object"),
    ],
)
def test_a_value_of_another_kind_is_named(folder, changes, message):
    changed(folder, **changes)
    with pytest.raises(ValueError, match=message):
        pretrained.load(folder)


@pytest.mark.parametrize("sizes", [{"blocks": 10**9}, {"widths": [10**12]}, {"widths": [8] * 999}])
def test_a_network_without_measure_is_refused(folder, sizes):
    architecture = by_chance().model.config.model_dump(mode="json") | sizes
    changed(folder, architecture=architecture)
    with pytest.raises(ValueError, match="wrong architecture"):
        pretrained.load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 200_000, "nested deeper than 64"),
        ('{"format": "stemfast classifier"}'.encode("utf-16"), "not UTF-8"),
        (b'{"temperature": NaN}', "NaN is no number of JSON"),
        (b'{"temperature": 1e999}', "1e999 is too large for a number"),
        (b'{"temperature": 1' + b"0" * 400 + b"}", "a number of 401 digits, expected at most 40"),
        (rb'{"format": "\ud800"}', "not UTF-8"),
        (b" " * (2**24 + 1), "expected at most"),
    ],
    ids=["deep", "utf-16", "nan", "infinite", "digits", "half", "large"],
)
def test_json_that_would_stop_the_reader_is_refused(folder, content, message):
    (folder / CONFIG).write_bytes(content)
    for form in (store.FORMAT, finder.FORMAT, reconstructor.FORMAT):
        assert not store.is_format(folder, form)
    with pytest.raises(ValueError, match=rf"config\.json.*{message}"):
        pretrained.load(folder)


@pytest.mark.parametrize(
    "card",
    [
        {"test": {}},
        {"test": {"balanced_accuracy": "high"}},
        {"recipe": {"field_nm": 3}},
        {"recipe": {"field_nm": 1, "image_px": 0}},
        {"experiment": {"recipe": [2]}},
        {"recipe": "shapes"},
    ],
)
def test_a_card_that_says_less_is_shown_as_far_as_it_goes(folder, card):
    changed(folder, card=card)
    assert "9 classes" in repr(pretrained.load(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no weights", "is no safetensors file"),
        (to_bytes({"x": np.array([np.nan], np.float32)}), "expected finite numbers"),
        (to_bytes({"x": np.array([1], np.int32)}), "x holds int32, expected finite numbers"),
        (to_bytes({"x": np.ones(3, np.float16)}), "do not fit the architecture"),
    ],
)
def test_weights_that_are_none_are_refused(folder, content, message):
    (folder / store.WEIGHTS_FILE).write_bytes(content)
    changed(folder, weights_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match=message):
        pretrained.load(folder)


def test_a_network_of_the_version_before_is_read(folder):
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8")) | {"format_version": 2}
    del config["config_sha256"]
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    assert pretrained.load(folder).class_names == tuple(config["class_names"])
    config["format_version"] = 3
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ValueError, match="config_sha256 differs"):
        pretrained.load(folder)


@pytest.mark.parametrize("widths", [[], [0], ["8"], [1.5], [True], "88", [4] * 99])
def test_a_finder_without_sense_is_refused(tmp_path, widths):
    config = FinderConfig(widths=(4, 8), head=4)
    trained = finder.TrainedFinder(Finder(config, rngs=nnx.Rngs(0)), {})
    finder.save_finder(tmp_path, trained)
    assert finder.load_finder(tmp_path).model.config == config
    changed(tmp_path, network={"widths": widths, "head": 4})
    with pytest.raises(ValueError, match=r"config\.json has a wrong network"):
        finder.load_finder(tmp_path)


def test_shipped_networks_carry_the_checksum():
    for name in (*pretrained.pretrained_names(), "ground-truth"):
        text = (shipped.folder(name) / CONFIG).read_text(encoding="utf-8")
        assert text == store.sealed_text(json.loads(text))
