"""Settings of a classification of many files: all that its answers depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemfast.classification import (
    CORNERS_MODEL,
    DEFAULT_MODEL,
    TiltAxis,
    check_cuboids,
    checked_limits,
    classes_of,
    known_model,
    model_folder,
    tilt_axis,
)
from stemfast.dataset.plan import stemfast_version
from stemfast.finding.find import check_choice
from stemfast.micrograph.table import COLUMNS
from stemfast.pretrained import shipped
from stemfast.untrusted import json_object

__all__ = ["NetworkCard", "RunSettings", "card_of", "settings_for"]

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
    corners : str, optional
        SHA-256 of the configuration of the network that counts corners of cuboids; None where
        they are not counted.
    tilt_axis_deg, material : float and str, optional
        Direction of the axis of tilt series [degrees] and what the particles are made of, where
        hands are to be told.
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
    corners: str | None = None
    tilt_axis_deg: float | None = None
    material: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON, infinity as a word; without what is not asked for."""
        values = dataclasses.asdict(self)
        for name in ("corners", "tilt_axis_deg", "material"):
            if values[name] is None:
                del values[name]
        if values["max_novelty"] == float("inf"):
            values["max_novelty"] = "inf"
        return values

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> RunSettings:
        """The settings that `to_json` gave."""
        return cls(**{**values, "max_novelty": float(values["max_novelty"])})

    @property
    def tilt(self) -> TiltAxis | None:
        """Tilt axis and material of tilt series; None where hands are not to be told."""
        if self.tilt_axis_deg is None or self.material is None:
            return None
        return TiltAxis(self.tilt_axis_deg, self.material)

    @property
    def digest(self) -> str:
        """Short name of these settings; that of others is another."""
        told = {k: v for k, v in self.to_json().items() if k != "model"}  # `network` says it all
        told["columns"] = list(COLUMNS)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def check_networks(self) -> None:
        """Refuse networks that changed since the settings were made.

        Raises
        ------
        RuntimeError
            On a worker that has others, say.
        """
        corners = self.corners and _checksum(CORNERS_MODEL)
        here = (_checksum(self.model), _finder(self.method), corners)
        if here != (self.network, self.finder, self.corners):
            raise RuntimeError(
                f"the network {self.model}, {CORNERS_MODEL} or the finder is another one here than "
                "where the command was given: install the same everywhere"
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
    corners: bool = False,
    tilt_axis_deg: float | None = None,
    material: str | None = None,
) -> tuple[RunSettings, NetworkCard]:
    """Checked settings of a run, and the card of its network.

    Parameters
    ----------
    model, pixel_size_nm, scale_bar_nm, contrast, method, index, dataset
        As for :func:`stemfast.classify`.
    min_probability, max_novelty, corners, tilt_axis_deg, material
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
    card = card_of(model)
    if corners:
        known_model(CORNERS_MODEL)
        check_cuboids(card.class_names)
    tilt = tilt_axis(tilt_axis_deg, material)
    if tilt is not None:
        if index is not None:
            raise ValueError(
                f"tilt_axis_deg: got index {index} as well, which is of one frame of each file"
            )
        check_cuboids(card.class_names, "tilt_axis_deg")
    folder = model_folder(model)
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
        corners=_checksum(CORNERS_MODEL) if corners else None,
        tilt_axis_deg=None if tilt is None else tilt.axis_deg,
        material=None if tilt is None else tilt.material,
    )
    return settings, card


def _checksum(model: str | Path) -> str:
    return hashlib.sha256((model_folder(model) / _CONFIG).read_bytes()).hexdigest()[:16]


def _finder(method: str) -> str:
    config = shipped.folder("finder") / _CONFIG
    if method == "classical" or not config.is_file():
        return "classical"
    return hashlib.sha256(config.read_bytes()).hexdigest()[:16]


def card_of(model: str | Path) -> NetworkCard:
    """Card of a known network.

    Raises
    ------
    ValueError
        If it is no classifier.

    Examples
    --------
    >>> card_of("count").class_names
    ('0', '1', '2', '3', '4', '5', '6', '7', '8')
    """
    folder, names = model_folder(model), classes_of(model)
    card = json_object(folder / _CONFIG).get("card")
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
