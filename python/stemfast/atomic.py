"""Files that are either whole or absent: write beside, flush to disk, rename.

A reader never sees half a file under its final name, whatever stops the writer: an exception,
Ctrl-C, a kill or a power cut. What a killed writer left beside goes when somebody next writes into
the folder.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "json_text",
    "new_folder",
    "remove_leftovers",
    "replacing",
    "replacing_in",
    "write_bytes",
    "write_json",
    "write_text",
]


def _flush(path: Path) -> None:
    """Force a file, or where the system allows it a directory, from memory to disk."""
    flags = os.O_RDONLY
    if path.is_dir():
        if os.name == "nt":  # Windows opens no directory; its rename is durable on its own
            return
        flags |= getattr(os, "O_DIRECTORY", 0)
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(final: Path) -> Path:
    # Machines that share a folder, and threads of a process, must not share the name.
    _remove_orphans(final.parent)
    unique = f"{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"
    return final.with_name(f".{final.name}.{unique}.tmp")


_seen: set[Path] = set()


def _remove_orphans(folder: Path) -> None:
    """Remove what processes of this machine that no longer run left in a folder, once a process."""
    if os.name == "nt" or folder in _seen or not folder.is_dir():
        return
    _seen.add(folder)
    name = re.compile(rf"\..+\.{re.escape(platform.node())}-(\d+)-[0-9a-f]{{8}}\.tmp")
    for leftover in folder.iterdir():
        found = name.fullmatch(leftover.name)
        if found is None or _runs(int(found[1])):
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's
    return True


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path; when the block ends well, make it the file at `path`.

    Parameters
    ----------
    path : str or Path
        Final name. Its directory must exist. A file already there is replaced in one step.

    Yields
    ------
    Path
        Where to write: a hidden name beside `path` that ends in ``.tmp``. It is removed if the
        block raises anything at all, Ctrl-C included.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "answer.txt") as temporary:
    ...     _ = temporary.write_text("42")
    >>> [file.name for file in folder.iterdir()]
    ['answer.txt']
    """
    final = Path(path)
    temporary = _beside(final)
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, final)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if (
            isinstance(error, OSError)
            and error.errno is not None
            and error.filename in (None, str(temporary))
        ):
            error.filename = str(final)  # a full disk says so without saying for which file
        raise
    _flush(final.parent)


@contextmanager
def replacing_in(folder: str | Path) -> Iterator[Path]:
    """Give a temporary folder; when the block ends well, move its files to `folder`.

    Parameters
    ----------
    folder : str or Path
        Made if it is missing. Files of these names in it are replaced, once all are complete.

    Yields
    ------
    Path
        Hidden folder inside `folder` to write to, removed in any case.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "results"
    >>> with replacing_in(folder) as draft:
    ...     _ = (draft / "answer.txt").write_text("42")
    >>> [file.name for file in folder.iterdir()]
    ['answer.txt']
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    draft = _beside(target / "draft")
    try:
        draft.mkdir()
        yield draft
        files = sorted(draft.iterdir())
        for file in files:
            _flush(file)
        for file in files:
            os.replace(file, target / file.name)
        _flush(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder; when the block ends well, make it the one at `path`.

    Parameters
    ----------
    path : str or Path
        Final name. Nothing may be there; the folder above must exist.

    Yields
    ------
    Path
        Folder to write to, removed if the block raises.

    Raises
    ------
    FileExistsError
        If something is at `path`.
    FileNotFoundError
        If the folder above is missing.
    """
    final = Path(path)
    if final.exists():
        raise FileExistsError(f"{final} exists already: choose another name, or remove it")
    if not final.parent.is_dir():
        raise FileNotFoundError(f"the folder {final.parent} does not exist")
    temporary = _beside(final)
    try:
        temporary.mkdir()
        yield temporary
        for part in temporary.rglob("*"):
            _flush(part)
        _flush(temporary)
        os.rename(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush(final.parent)


def remove_leftovers(path: str | Path) -> None:
    """Remove what writers of `path` on this machine left behind when they were killed.

    Only to be called by who knows that nobody is writing `path` now.
    """
    final = Path(path)
    for leftover in final.parent.glob(f".{final.name}.{platform.node()}-*.tmp"):
        leftover.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def json_text(content: object) -> str:
    """`content` as indented JSON with an end of line.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, which JSON has no word for.
    """
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | Path, content: object) -> None:
    """Write `content` to `path` as indented JSON, whole or not at all.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, which JSON has no word for.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "answer.json"
    >>> write_json(file, {"e⁻/px": 42})
    >>> print(file.read_text(encoding="utf-8").rstrip())
    {
      "e⁻/px": 42
    }
    """
    write_text(path, json_text(content))
