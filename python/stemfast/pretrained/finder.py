"""Trained networks that find particles, on disk and in memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.models.finder_config import FinderConfig
from stemfast.pretrained.store import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    as_told,
    card_html,
    filled,
    is_format,
    read_arrays,
    read_config,
    write_network,
)

if TYPE_CHECKING:
    from stemfast.models.finder import Finder

__all__ = ["TrainedFinder", "finder_weights", "load_finder", "save_finder"]

FORMAT = "stemfast finder"
FORMAT_VERSION = 2
_KEYS = {"network": dict, "weights_sha256": str, "card": dict}


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

    def _repr_html_(self) -> str:
        return card_html(repr(self))

    def __repr__(self) -> str:
        test = self.card.get("test", {})
        figures = as_told(
            lambda: f"AP50 {test['ap50']:.3f}, F1 {test['f1']:.3f} on {test['fields']} fields"
        )
        return "\n  ".join([f"TrainedFinder of widths {self.model.config.widths}", *figures])


def save_finder(directory: str | Path, trained: TrainedFinder) -> None:
    """Write a trained finder, each of its two files whole or not at all.

    Parameters
    ----------
    directory : str or Path
        Made if missing.
    trained : TrainedFinder
    """
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": asdict(trained.model.config),
        "card": trained.card,
    }
    write_network(directory, trained.model, config)


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
    from flax import nnx

    from stemfast.models.finder import Finder

    folder = Path(directory)
    config, network, arrays = _read(folder)

    def make(rngs: nnx.Rngs) -> Finder:
        return Finder(network, rngs=rngs)

    return TrainedFinder(filled(make, arrays, folder), config["card"])


def finder_weights(directory: str | Path) -> tuple[FinderConfig, dict[str, NDArray[np.float32]]]:
    """Architecture and weights by dotted name of a finder on disk, without loading JAX.

    Parameters
    ----------
    directory : str or Path

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`load_finder`.
    """
    folder = Path(directory)
    _, network, arrays = _read(folder)
    expected: dict[str, tuple[int, ...]] = {}
    for name, (size, channels, filters) in network.kernels().items():
        expected |= {f"{name}.kernel": (size, size, channels, filters), f"{name}.bias": (filters,)}
    if {name: array.shape for name, array in arrays.items()} != expected:
        raise ValueError(f"the weights in {folder} do not fit the architecture in {CONFIG_FILE}")
    return network, {name: array.astype(np.float32) for name, array in arrays.items()}


def _read(folder: Path) -> tuple[dict[str, Any], FinderConfig, dict[str, NDArray[Any]]]:
    """Configuration, architecture and arrays of a finder's files."""
    config = read_config(folder, keys=_KEYS, kind="finder", form=FORMAT, version=FORMAT_VERSION)
    arrays = read_arrays(folder, WEIGHTS_FILE, config["weights_sha256"])
    return config, _network(folder / CONFIG_FILE, config["network"]), arrays


def _network(path: Path, stored: dict[str, Any]) -> FinderConfig:
    """Architecture that a configuration describes: 1 to 16 widths and a head of whole numbers."""
    widths, head = stored.get("widths"), stored.get("head")
    numbers = [*widths, head] if isinstance(widths, list) and widths else []
    if not 2 <= len(numbers) <= 17 or any(type(n) is not int or n < 1 for n in numbers):
        raise ValueError(
            f"{path} has a wrong network: widths is {widths!r} and head {head!r}, expected whole "
            "numbers from 1"
        )
    return FinderConfig(widths=tuple(numbers[:-1]), head=numbers[-1])


def is_finder(folder: Path) -> bool:
    """True if a folder holds a finder."""
    return is_format(folder, FORMAT)
