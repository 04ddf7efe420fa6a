"""Files that others made: regular ones only, of bounded size, in UTF-8, JSON of bounded depth.

A data set or a network that comes from elsewhere may be damaged, or made to do harm. What is read
of it passes through here before anything looks at what it says.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

__all__ = ["json_object", "plain_name", "regular_file"]

MOST_BYTES = 2**24
#: Objects and arrays within each other. Ours have fewer than ten levels.
DEEPEST = 64


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
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is no regular file, expected a JSON file")
    if found.st_size > most_bytes:
        raise ValueError(f"{path} has {found.st_size:,} bytes, expected at most {most_bytes:,}")
    too_deep = f"{path} is nested deeper than {DEEPEST} levels, expected fewer"
    try:
        tree = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error.reason}") from error
    except RecursionError:
        raise ValueError(too_deep) from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if _deeper(tree, DEEPEST):
        raise ValueError(too_deep)
    if not isinstance(tree, dict):
        raise ValueError(f"{path} holds {type(tree).__name__}, expected a JSON object")
    return tree


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _deeper(tree: Any, most: int) -> bool:
    """True if containers lie deeper within each other than `most`."""
    level = [tree] if isinstance(tree, dict | list) else []
    for _ in range(most):
        level = [
            part
            for node in level
            for part in (node.values() if isinstance(node, dict) else node)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True
