"""Settings of a folder of results: written when a run begins, read by whoever reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemfast.atomic import write_json
from stemfast.populations.settings import NetworkCard, RunSettings
from stemfast.untrusted import json_object

__all__ = ["ABOUT", "About", "read_about", "write_about"]

ABOUT = "run.json"


@dataclass(frozen=True)
class About:
    """Description of a folder of results.

    Attributes
    ----------
    title : str
        Name of the folder of the micrographs.
    settings : RunSettings
    card : NetworkCard
    corners : NetworkCard, optional
        Card of the network that counts corners of cuboids, where they are counted.
    """

    title: str
    settings: RunSettings
    card: NetworkCard
    corners: NetworkCard | None = None


def write_about(out: Path, about: About) -> None:
    """Write the description, whole or not at all."""
    title = about.title.encode("utf-8", "replace").decode("utf-8")
    content = {"title": title, "settings": about.settings.to_json(), "network": asdict(about.card)}
    if about.corners is not None:
        content["corners"] = asdict(about.corners)
    write_json(out / ABOUT, content)


def read_about(out: Path) -> About:
    """Read the description.

    Raises
    ------
    FileNotFoundError
        If the folder holds no results.
    ValueError
        If the description is damaged.
    """
    if not out.is_dir():
        raise FileNotFoundError(f"there is no folder {out}")
    if not (out / ABOUT).is_file():
        raise FileNotFoundError(
            f"{out} holds no results, expected the folder that 'stemfast classify FOLDER' wrote"
        )
    content = json_object(out / ABOUT)
    try:
        settings = RunSettings.of_json(content["settings"])
        corners = None if settings.corners is None else _card(content["corners"])
        return About(str(content["title"]), settings, _card(content["network"]), corners)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{out / ABOUT} is damaged ({error}), expected what a run wrote"
        ) from error


def _card(told: dict[str, Any]) -> NetworkCard:
    confusion = told["confusion"]
    return NetworkCard(
        str(told["model"]),
        tuple(map(str, told["class_names"])),
        None if confusion is None else tuple(tuple(map(int, row)) for row in confusion),
    )
