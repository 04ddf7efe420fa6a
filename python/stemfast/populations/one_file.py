"""One file of many: found, classified, and what is kept of it. Never fails, but says why."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast.classification import classify_in, frames_of, load_model, tell_hands
from stemfast.finding.source import Source, source_of
from stemfast.micrograph.files.error import NothingFoundError
from stemfast.populations.part import Header, Part, Task
from stemfast.populations.pictures import chosen, jpeg
from stemfast.populations.settings import RunSettings

if TYPE_CHECKING:
    from stemfast.pretrained import TrainedClassifier

__all__ = ["classify_on_worker", "classify_one", "failure", "state_of"]

NOTHING = "no particle found"
GONE = "it is no longer there"
CHANGED = "it changed while it was read: run the command again when it is complete"


def state_of(path: Path, name: str = "") -> Task:
    """A file as it is now, under its own name if no other is given.

    Raises
    ------
    OSError
        If it is not there.
    """
    now = path.stat()
    return Task(name or path.name, now.st_size, now.st_mtime_ns)


def failure(task: Task, settings: RunSettings, why: str) -> Part:
    """The part of a file that could not be classified."""
    return Part(Header(task, settings.digest, why or "no reason was given"))


def classify_one(path: Path, task: Task, settings: RunSettings) -> Part:
    """Find and classify the particles of a file of many.

    Parameters
    ----------
    path : Path
    task : Task
        State of the file for which the result is wanted.
    settings : RunSettings

    Returns
    -------
    Part
        With the reason in its header if the file cannot be read, has no scale where one is needed,
        is no image of particles, vanished, or changed meanwhile. A file without a particle has no
        rows.

    Raises
    ------
    ImportError
        If a package is missing that all files need.
    """
    try:
        part = _classified(path, task, settings)
        state = state_of(path)
        if (state.n_bytes, state.mtime_ns) != (task.n_bytes, task.mtime_ns):
            return failure(task, settings, CHANGED)
        return part
    except ImportError:
        raise
    except (ValueError, TypeError, OSError, MemoryError) as error:
        gone = not path.exists()
        return failure(task, settings, GONE if gone else _words(error, path))
    except Exception as error:  # one file among thousands must not end the run
        return failure(task, settings, f"{type(error).__name__}: {_words(error, path)}")


def classify_on_worker(path: str, task: Task, settings: dict[str, Any]) -> Part:
    """`classify_one` on a Dask worker, which must have the same networks."""
    return classify_one(Path(path), task, _checked(tuple(sorted(settings.items()))))


@functools.lru_cache(maxsize=2)
def _checked(values: tuple[tuple[str, Any], ...]) -> RunSettings:
    settings = RunSettings.of_json(dict(values))
    settings.check_networks()
    return settings


@functools.lru_cache(maxsize=1)
def _network(model: str, checksum: str) -> TrainedClassifier:
    return load_model(model)


def _classified(path: Path, task: Task, settings: RunSettings) -> Part:
    header = Header(task, settings.digest)
    if not task.n_bytes:
        raise ValueError("it is empty")

    def frame(index: int | None) -> Source:
        return source_of(
            path,
            settings.pixel_size_nm,
            scale_bar_nm=settings.scale_bar_nm,
            index=index,
            dataset=settings.dataset,
        )

    frames = None if settings.tilt is None else frames_of(path, settings.dataset)
    opened = frame(settings.index if frames is None else frames.index[frames.reference])
    rows, cols = opened.image.shape
    if settings.tilt is not None:
        opened.micrograph()  # there must be a scale
    size = opened.pixel_size_nm
    pixels = hashlib.sha256(np.ascontiguousarray(opened.image).tobytes()).hexdigest()[:16]
    try:
        answer = classify_in(
            opened,
            lambda: _network(settings.model, settings.network),
            contrast=settings.contrast,
            method=settings.method,
            min_probability=settings.min_probability,
            max_novelty=settings.max_novelty,
            corners=settings.corners is not None,
        )
    except NothingFoundError:
        return Part(header, size, (rows, cols), notes=(*opened.notes, NOTHING), pixels=pixels)
    if settings.tilt is not None:
        answer = tell_hands(answer, frames, frame, settings.tilt, settings.method)
    shown = chosen(answer.table, answer.class_names)
    return Part(
        header=header,
        pixel_size_nm=size,
        shape=(rows, cols),
        contrast=answer.found.contrast,
        method=answer.found.method,
        notes=answer.notes,
        pixels=pixels,
        class_names=answer.class_names,
        rows=answer.table,
        pictures={
            one.label: jpeg(answer.found.image, one.bbox)
            for one in answer.found
            if one.label in shown
        },
    )


def _words(error: Exception, path: Path) -> str:
    """Message of an error on one line, without the folder's path."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(str(path), path.name).removeprefix(f"{path.name}: ")
