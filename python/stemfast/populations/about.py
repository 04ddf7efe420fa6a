"""Settings of a folder of results: written when a run begins, read by whoever reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

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
    """

    title: str
    settings: RunSettings
    card: NetworkCard


def write_about(out: Path, about: About) -> None:
    """Write the description, whole or not at all."""
    title = about.title.encode("utf-8", "replace").decode("utf-8")
    content = {"title": title, "settings": about.settings.to_json(), "network": asdict(about.card)}
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
        card = content["network"]
        told = card["confusion"]
        return About(
            str(content["title"]),
            RunSettings.of_json(content["settings"]),
            NetworkCard(
                str(card["model"]),
                tuple(map(str, card["class_names"])),
                None if told is None else tuple(tuple(map(int, row)) for row in told),
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{out / ABOUT} is damaged ({error}), expected what a run wrote"
        ) from error
