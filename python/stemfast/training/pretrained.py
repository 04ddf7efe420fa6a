"""Networks that come with the package."""

from __future__ import annotations

from pathlib import Path

from stemfast.training.weights import CONFIG_FILE, TrainedClassifier, load

__all__ = ["load_pretrained", "pretrained_names"]

_FOLDER = Path(__file__).parents[1] / "weights"


def pretrained_names() -> tuple[str, ...]:
    """Names that :func:`load_pretrained` knows."""
    if not _FOLDER.is_dir():
        return ()
    found = (item.name for item in _FOLDER.iterdir() if (item / CONFIG_FILE).is_file())
    return tuple(sorted(found))


def load_pretrained(name: str) -> TrainedClassifier:
    """A network that comes with the package, trained and calibrated.

    Parameters
    ----------
    name : str
        One of :func:`pretrained_names`. What each was trained on and how good it is, is in its
        ``card`` and in docs/model_cards.

    Returns
    -------
    TrainedClassifier
        ``.predict(images)`` classifies images.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    known = pretrained_names()
    if name not in known:
        raise ValueError(
            f"name is {name!r}, expected one of {', '.join(known) or '(none are installed)'}"
        )
    return load(_FOLDER / name)
