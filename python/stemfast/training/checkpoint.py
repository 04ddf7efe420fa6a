"""The state of a run on disk, so that a run that was stopped goes on as if it had not been.

Everything Orbax is in this file. It writes a checkpoint under a temporary name and renames it
when it is whole.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import jax
import numpy as np

__all__ = ["Checkpoint", "latest", "restore", "save"]

KEPT = 2
_FULL = "RESOURCE_EXHAUSTED"  # what Orbax's storage calls a full disk


class Stepped(Protocol):
    """State of a training run: a tree of arrays that knows its step."""

    @property
    def step(self) -> Any: ...


S = TypeVar("S", bound=Stepped)


class Checkpoint(NamedTuple, Generic[S]):
    """A state and how long it took to get there, the time before it was stopped counted [s]."""

    state: S
    seconds: float


def _steps(folder: Path) -> list[int]:
    """Numbers of the whole checkpoints, lowest first."""
    if not folder.is_dir():
        return []
    return sorted(int(item.name) for item in folder.iterdir() if item.name.isdecimal())


def latest(folder: Path) -> int | None:
    """Step of the latest checkpoint in `folder`, or None."""
    steps = _steps(folder)
    return steps[-1] if steps else None


def _content(state: Stepped, seconds: float) -> dict[str, Any]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    return {"leaves": leaves, "seconds": np.asarray(seconds, np.float64)}


def _alone() -> Any:
    """Orbax's reader and writer for the first process, which waits for no other."""
    import orbax.checkpoint as ocp

    first = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
    return ocp.StandardCheckpointer(multiprocessing_options=first)


def save(folder: Path, state: Stepped, seconds: float) -> None:
    """Write the state, whole or not at all, and remove all but the latest two.

    Parameters
    ----------
    folder : Path
        Made if missing.
    state : Stepped
        Its step is the checkpoint's name; one that is there already stays.
    seconds : float
        Training took so far [s].

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk; nothing of it is left.
    """
    step = int(state.step)
    if step in _steps(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    content = _content(state, seconds)
    needed = sum(leaf.nbytes for leaf in content["leaves"])
    if shutil.disk_usage(folder).free < needed:
        # Orbax's threads print a traceback each of a disk that is full while they write.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    try:
        with _silent(), _alone() as writer:
            writer.save((folder / str(step)).absolute(), content)
    except (OSError, ValueError) as error:
        for unfinished in folder.glob(f"{step}.orbax-checkpoint-tmp*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        raise _refused(error, folder) from error
    for old in _steps(folder)[:-KEPT]:
        shutil.rmtree(folder / str(old))


@contextmanager
def _silent() -> Iterator[None]:
    """Without the log of Orbax, whose threads print a traceback each of what is raised as well."""
    log = logging.getLogger("absl")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def _refused(error: OSError | ValueError, folder: Path) -> OSError:
    """Error of a checkpoint that could not be written, in one line.

    Examples
    --------
    >>> print(_refused(ValueError("RESOURCE_EXHAUSTED: Error writing"), Path("run")))
    [Errno 28] No space left on device: 'run'
    """
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, str(folder))
    if _FULL in str(error):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    return OSError(errno.EIO, str(error).splitlines()[0], str(folder))


def restore(folder: Path, like: S) -> Checkpoint[S]:
    """Read the latest state.

    Parameters
    ----------
    folder : Path
        Where :func:`save` wrote.
    like : Stepped
        A state of the same network and optimiser, which says what to expect.

    Raises
    ------
    FileNotFoundError
        If there is no checkpoint.
    ValueError
        If it cannot be read, or is of another network.
    """
    step = latest(folder)
    if step is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint to go on from")
    path = (folder / str(step)).absolute()
    expected = _content(like, 0.0)
    with _alone() as reader:
        try:
            found = reader.restore(path, expected)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise ValueError(
                f"checkpoint {path} cannot be read or is of another network: "
                f"{str(error).splitlines()[0]}"
            ) from error
    shapes = [np.shape(leaf) for leaf in found["leaves"]]
    if shapes != [leaf.shape for leaf in expected["leaves"]]:
        raise ValueError(f"checkpoint {path} is of another network: its arrays differ in shape")
    state = jax.tree.unflatten(jax.tree.structure(like), found["leaves"])
    return Checkpoint(state, float(found["seconds"]))
