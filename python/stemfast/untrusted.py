"""Files that others made: regular ones only, of bounded size, in UTF-8, of bounded depth.

A data set or a network that comes from elsewhere may be damaged, or made to do harm. What is read
of it passes through here before anything looks at what it says.
"""

from __future__ import annotations

import json
import math
import re
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

__all__ = ["json_object", "plain_name", "regular_file", "settings_table"]

MOST_BYTES = 2**24
MOST_SETTINGS_BYTES = 2**20
#: Objects and arrays within each other. Ours have fewer than ten levels.
DEEPEST = 64
#: Digits of a whole number: more than any of ours has, and few enough for floating point.
MOST_DIGITS = 40
_CONTAINERS = (dict, list, tuple)
_HALF_A_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")


def regular_file(path: Path) -> int:
    """Size in bytes of a file that is one itself: no link, pipe, socket or device.

    A link may lead out of its folder, and a pipe waits for a writer for ever.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If it is anything but a regular file.

    Examples
    --------
    >>> regular_file(Path("."))
    Traceback (most recent call last):
        ...
    ValueError: . is a folder, expected a regular file
    """
    found = path.lstat()
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    kind = "a pipe, socket or device"
    if stat.S_ISLNK(found.st_mode):
        kind = "a link"
    elif stat.S_ISDIR(found.st_mode):
        kind = "a folder"
    raise ValueError(f"{path} is {kind}, expected a regular file")


def plain_name(name: str, suffix: str) -> str:
    """`name`, if it names a file in the folder at hand and ends in `suffix`.

    Raises
    ------
    ValueError
        If it holds more than letters, digits, ``_``, ``-`` and ``.``, so that it could lead to
        another folder.

    Examples
    --------
    >>> plain_name("train-00000.hspy", ".hspy")
    'train-00000.hspy'
    >>> plain_name("../outside.hspy", ".hspy")
    Traceback (most recent call last):
        ...
    ValueError: file is '../outside.hspy', expected a plain name that ends in .hspy
    """
    rest = name.replace("-", "_").replace(".", "_")
    if not name.endswith(suffix) or name.startswith(".") or not f"_{rest}".isidentifier():
        raise ValueError(f"file is {name!r}, expected a plain name that ends in {suffix}")
    return name


def json_object(path: Path, *, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The object in a JSON file.

    Parameters
    ----------
    path : Path
    most_bytes : int
        Larger files are refused unread.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If it is no regular file, too large, not UTF-8, not JSON, no object or nested too deeply.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = file.write_text('{"a": [1, 2]}', encoding="utf-8")
    >>> json_object(file)
    {'a': [1, 2]}
    """
    text = _text(path, most_bytes, "a JSON file")
    try:
        tree = json.loads(
            text, parse_constant=_no_number, parse_int=_whole_number, parse_float=_finite
        )
        if _HALF_A_CHARACTER.search(text.encode("utf-8")):
            json.dumps(tree, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error.reason}") from None
    except RecursionError:
        raise ValueError(_too_deep(path)) from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if _deeper(tree, DEEPEST):
        raise ValueError(_too_deep(path))
    if not isinstance(tree, dict):
        raise ValueError(f"{path} holds {type(tree).__name__}, expected a JSON object")
    return tree


def settings_table(path: Path, kind: Literal["TOML", "YAML"]) -> dict[str, Any]:
    """Settings in a file of TOML or YAML.

    Parameters
    ----------
    path : Path
    kind : {"TOML", "YAML"}

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no regular file, too large, not UTF-8, not TOML or YAML, no table by names, nested
        too deeply, or holds an alias or a whole number of too many digits.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.toml"
    >>> _ = file.write_text("x = 5", encoding="utf-8")
    >>> settings_table(file, "TOML")
    {'x': 5}
    """
    text = _text(path, MOST_SETTINGS_BYTES, f"a {kind} file")
    try:
        tree = tomllib.loads(text) if kind == "TOML" else _yaml(text)
        if _deeper(tree, DEEPEST):
            raise RecursionError
        _check_whole_numbers(tree)
    except RecursionError:
        raise ValueError(_too_deep(path)) from None
    except ValueError as error:
        raise ValueError(f"{path} is not {kind}: {error}") from None
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise ValueError(f"{path} holds {type(tree).__name__}, expected settings by name")
    return tree


def _text(path: Path, most_bytes: int, expected: str) -> str:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is no regular file, expected {expected}")
    if found.st_size > most_bytes:
        raise ValueError(f"{path} has {found.st_size:,} bytes, expected at most {most_bytes:,}")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error.reason}") from error


def _yaml(text: str) -> Any:
    import yaml

    try:
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            # Aliases of aliases make a few lines as large as any memory.
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has an alias (*name), expected every setting written out")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:  # the time for a line grows with the square of the depth
                raise RecursionError
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    return {} if found is None else found


def _too_deep(path: Path) -> str:
    return f"{path} is nested deeper than {DEEPEST} levels, expected fewer"


def _whole_number(word: str) -> int:
    if len(word) > MOST_DIGITS:
        raise ValueError(f"a number of {len(word)} digits, expected at most {MOST_DIGITS}")
    return int(word)


def _finite(word: str) -> float:
    if not math.isfinite(value := float(word)):
        raise ValueError(f"{word[:MOST_DIGITS]} is too large for a number")
    return value


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _deeper(tree: Any, most: int) -> bool:
    """True if containers lie deeper within each other than `most`."""
    level = [tree] if isinstance(tree, _CONTAINERS) else []
    for _ in range(most):
        level = [part for node in level for part in _parts(node) if isinstance(part, _CONTAINERS)]
        if not level:
            return False
    return True


def _parts(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node


def _check_whole_numbers(tree: Any) -> None:
    if isinstance(tree, int) and abs(tree) >= 10**MOST_DIGITS:
        raise ValueError(f"a number of more than {MOST_DIGITS} digits, expected fewer")
    for part in _parts(tree) if isinstance(tree, _CONTAINERS) else ():
        _check_whole_numbers(part)
