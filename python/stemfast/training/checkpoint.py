"""The state of a run on disk, so that a run that was stopped goes on as if it had not been.

Everything Orbax is in this file. It writes a checkpoint under a temporary name and renames it
when it is whole.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import jax
import numpy as np

__all__ = ["Checkpoint", "latest", "restore", "save"]

KEPT = 2


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
    OSError, ValueError
        If it cannot be written, as on a full disk; nothing of it is left.
    """
    step = int(state.step)
    if step in _steps(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _alone() as writer:
            writer.save((folder / str(step)).absolute(), _content(state, seconds))
    except (OSError, ValueError) as error:
        for unfinished in folder.glob(f"{step}.orbax-checkpoint-tmp*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise
    for old in _steps(folder)[:-KEPT]:
        shutil.rmtree(folder / str(old))


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
