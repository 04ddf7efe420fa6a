"""Settings of a classification of many files: all that its answers depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemfast.classification import DEFAULT_MODEL, checked_limits, known_model
from stemfast.dataset.plan import stemfast_version
from stemfast.finding.find import check_choice
from stemfast.pretrained import shipped
from stemfast.untrusted import json_object

__all__ = ["NetworkCard", "RunSettings", "settings_for"]

_CONFIG = "config.json"


@dataclass(frozen=True)
class NetworkCard:
    """Parts of a network's card that a report needs.

    Attributes
    ----------
    model : str
        Name or folder of the network.
    class_names : tuple of str
    confusion : tuple of tuple of int, or None
        Test images by true class (rows) and answer (columns).
    """

    model: str
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...] | None


@dataclass(frozen=True)
class RunSettings:
    """Settings of one run, the same for all of its files.

    Parameters
    ----------
    model : str
        Name of a network that comes along, or the folder of one.
    pixel_size_nm, scale_bar_nm : float, optional
        As for :func:`stemfast.classify`, [nm].
    contrast, method : str
    index : int, optional
    dataset : int or str, optional
    min_probability, max_novelty : float
    network, finder : str
        SHA-256 of the configurations of the networks, which hold those of their weights.
    version : str
        Of stemfast.
    """

    model: str
    pixel_size_nm: float | None
    scale_bar_nm: float | None
    contrast: str
    method: str
    index: int | None
    dataset: int | str | None
    min_probability: float
    max_novelty: float
    network: str
    finder: str
    version: str

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON, infinity as a word."""
        values = dataclasses.asdict(self)
        if values["max_novelty"] == float("inf"):
            values["max_novelty"] = "inf"
        return values

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> RunSettings:
        """The settings that `to_json` gave."""
        return cls(**{**values, "max_novelty": float(values["max_novelty"])})

    @property
    def digest(self) -> str:
        """Short name of these settings; that of others is another."""
        told = {k: v for k, v in self.to_json().items() if k != "model"}  # `network` says it all
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def check_networks(self) -> None:
        """Refuse networks that changed since the settings were made.

        Raises
        ------
        RuntimeError
            On a worker that has others, say.
        """
        if (_checksum(self.model), _finder(self.method)) != (self.network, self.finder):
            raise RuntimeError(
                f"the network {self.model} or the finder is another one here than where the "
                "command was given: install the same everywhere"
            )


def settings_for(
    *,
    model: str | Path = DEFAULT_MODEL,
    pixel_size_nm: float | None = None,
    scale_bar_nm: float | None = None,
    contrast: str = "auto",
    method: str = "auto",
    index: int | None = None,
    dataset: int | str | None = None,
    min_probability: float = 0.8,
    max_novelty: float = 1.0,
) -> tuple[RunSettings, NetworkCard]:
    """Checked settings of a run, and the card of its network.

    Parameters
    ----------
    model, pixel_size_nm, scale_bar_nm, contrast, method, index, dataset
        As for :func:`stemfast.classify`.
    min_probability, max_novelty
        As for :func:`stemfast.classify`.

    Returns
    -------
    RunSettings
    NetworkCard

    Raises
    ------
    ValueError, FileNotFoundError
        If a setting is out of range, or there is no such network.
    """
    checked_limits(min_probability, max_novelty)
    check_choice("contrast", contrast, "method", method)
    for name, value in (("pixel_size_nm", pixel_size_nm), ("scale_bar_nm", scale_bar_nm)):
        if value is not None and not 0.0 < value < float("inf"):
            raise ValueError(f"{name} is {value}, expected a positive number of nm")
    if pixel_size_nm is not None and scale_bar_nm is not None:
        raise ValueError("pixel_size_nm and scale_bar_nm: got both, expected one of them")
    known_model(model)
    folder = _folder(model)
    settings = RunSettings(
        model=str(model) if folder == shipped.folder(str(model)) else str(folder.resolve()),
        pixel_size_nm=pixel_size_nm,
        scale_bar_nm=scale_bar_nm,
        contrast=contrast,
        method=method,
        index=index,
        dataset=dataset,
        min_probability=min_probability,
        max_novelty=max_novelty,
        network=_checksum(model),
        finder=_finder(method),
        version=stemfast_version(),
    )
    return settings, _card(folder)


def _folder(model: str | Path) -> Path:
    return Path(model) if (Path(model) / _CONFIG).is_file() else shipped.folder(str(model))


def _checksum(model: str | Path) -> str:
    return hashlib.sha256((_folder(model) / _CONFIG).read_bytes()).hexdigest()[:16]


def _finder(method: str) -> str:
    config = shipped.folder("finder") / _CONFIG
    if method == "classical" or not config.is_file():
        return "classical"
    return hashlib.sha256(config.read_bytes()).hexdigest()[:16]


def _card(folder: Path) -> NetworkCard:
    config = json_object(folder / _CONFIG)
    names = tuple(map(str, config.get("class_names", ())))
    if not names:
        raise ValueError(f"{folder / _CONFIG} names no classes, expected a classifier's")
    card = config.get("card")
    test = card.get("test") if isinstance(card, dict) else None
    told = test.get("confusion") if isinstance(test, dict) else None
    if not isinstance(told, list):
        return NetworkCard(folder.name, names, None)
    usable = (
        len(told) == len(names)
        and all(isinstance(row, list) and len(row) == len(names) for row in told)
        and all(isinstance(n, int) and n >= 0 for row in told for n in row)
        and all(map(sum, told))
    )
    confusion = tuple(map(tuple, told)) if usable else None
    return NetworkCard(folder.name, names, confusion)
