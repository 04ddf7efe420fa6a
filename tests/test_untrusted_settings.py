"""Files of settings by strangers: inputs on which `make fuzz` once ended, and their like."""

from __future__ import annotations

import re

import pytest

from stemfast.matching.conditions import read_conditions
from stemfast.recipes.resolve import read_settings, settings_of

LAUGHS = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [*{a}, *{a}]}}\n" for a, b in zip("abcdef", "bcdefg", strict=True)
)
HARM = [
    ("a.toml", "x = " + "[" * 100_000, "nested deeper than 64"),
    ("a.toml", "x." * 100 + "y = 1", "nested deeper than 64"),
    ("a.toml", "x = " + "9" * 5000, "is not TOML"),
    ("a.toml", "x = 0x" + "f" * 5000, "is not TOML: a number of more than 40 digits"),
    ("a.toml", "\ufeffx = \0", "is not TOML"),
    ("a.yaml", "x: " + "[" * 100_000, "nested deeper than 64"),
    ("a.yaml", "x: &x [*x]", "has an alias"),
    ("a.yaml", LAUGHS, "has an alias"),
    ("a.yaml", "x: 2020-13-45", "is not YAML: month must be in 1..12"),
    ("a.yaml", "x: 0b_", "is not YAML"),
    ("a.yaml", "x: !!int ''", "is not YAML"),
    ("a.yaml", "x: !!timestamp no", "is not YAML"),
    ("a.yaml", "x: !!bool what", "is not YAML"),
    ("a.yaml", "x: 1" + 400 * "0", "is not YAML: a number of more than 40 digits"),
    ("a.yaml", "#" * 2**20 + "\n", "expected at most 1,048,576"),
]


@pytest.mark.parametrize(("file", "text", "message"), HARM, ids=range(len(HARM)))
def test_settings_that_would_stop_the_reader_are_refused(tmp_path, file, text, message):
    path = tmp_path / file
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} .*{message}"):
        read_settings(path)
    if path.suffix == ".toml":
        with pytest.raises(ValueError, match=f"{re.escape(str(path))} .*{message}"):
            read_conditions(path)


def test_settings_in_another_encoding_are_refused(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes("x = 'µ'".encode("utf-16"))
    with pytest.raises(ValueError, match=r"a\.toml is not UTF-8 text"):
        read_settings(path)


def test_a_setting_on_the_command_line_may_be_any_word():
    deep, many = "[" * 100_000, "9" * 5000
    assert settings_of(None, {}, [f"a={deep}", f"b={many}"]) == {"a": deep, "b": many}
