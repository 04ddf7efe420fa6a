"""Trained networks that find particles, on disk and in memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flax import nnx

from stemfast import atomic
from stemfast.models.finder import Finder, FinderConfig
from stemfast.pretrained.store import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    compact,
    filled,
    flat,
    read_config,
    same_bytes,
)

__all__ = ["TrainedFinder", "load_finder", "save_finder"]

FORMAT = "stemfast finder"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class TrainedFinder:
    """A trained finder with its card.

    Attributes
    ----------
    model : Finder
    card : dict
        What it was trained on, how, and how good it is.
    """

    model: Finder
    card: dict[str, Any]

    def __repr__(self) -> str:
        return f"TrainedFinder of widths {self.model.config.widths}"


def save_finder(directory: str | Path, trained: TrainedFinder) -> None:
    """Write a trained finder, each of its two files whole or not at all.

    Parameters
    ----------
    directory : str or Path
        Made if missing.
    trained : TrainedFinder
    """
    from safetensors.numpy import save as to_bytes

    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    content = to_bytes({name: compact(x) for name, x in flat(trained.model).items()})
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": asdict(trained.model.config),
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "card": trained.card,
    }
    text = atomic.json_text(config)  # refused before anything is written
    atomic.write_bytes(folder / WEIGHTS_FILE, content)
    atomic.write_text(folder / CONFIG_FILE, text)


def load_finder(directory: str | Path) -> TrainedFinder:
    """Read a finder that :func:`save_finder` wrote.

    Parameters
    ----------
    directory : str or Path

    Raises
    ------
    FileNotFoundError
        If there is none in `directory`.
    ValueError
        If the files are damaged or do not belong together.
    """
    from safetensors.numpy import load as from_bytes

    folder = Path(directory)
    config = read_config(folder, kind="finder", form=FORMAT, version=FORMAT_VERSION)
    content = same_bytes(folder, WEIGHTS_FILE, config.get("weights_sha256"))
    network = FinderConfig(
        widths=tuple(config["network"]["widths"]), head=int(config["network"]["head"])
    )

    def make() -> Finder:
        return Finder(network, rngs=nnx.Rngs(0))

    return TrainedFinder(filled(make, from_bytes(content), folder), config["card"])


def is_finder(folder: Path) -> bool:
    """True if a folder holds a finder."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return False
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(config, dict) and config.get("format") == FORMAT
