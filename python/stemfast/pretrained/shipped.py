"""Networks that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stemfast.pretrained.classifier import load
from stemfast.pretrained.store import CONFIG_FILE

__all__ = ["load_pretrained", "pretrained_names"]

_FOLDER = Path(__file__).parents[1] / "weights"


def _installed() -> list[str]:
    if not _FOLDER.is_dir():
        return []
    return sorted(item.name for item in _FOLDER.iterdir() if (item / CONFIG_FILE).is_file())


def pretrained_names() -> tuple[str, ...]:
    """Names of the classifiers that :func:`load_pretrained` knows.

    Besides them it knows ``"ground-truth"``, which reads several images of one particle.
    """
    from stemfast.pretrained import reconstructor as ground_truth_weights

    return tuple(name for name in _installed() if not ground_truth_weights.is_model(folder(name)))


def folder(name: str) -> Path:
    """Where a network of this name would lie."""
    return _FOLDER / name


def load_pretrained(name: str) -> Any:
    """A network that comes with the package, trained and calibrated.

    Parameters
    ----------
    name : str
        One of :func:`pretrained_names`, or ``"ground-truth"``. What each was trained on and how
        good it is, is in its ``card`` and in docs/model_cards.

    Returns
    -------
    TrainedClassifier or TrainedGroundTruth
        ``.predict(images)`` classifies images; that of ``"ground-truth"`` takes several images of
        one particle.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    known = _installed()
    if name not in known:
        raise ValueError(
            f"name is {name!r}, expected one of {', '.join(known) or '(none are installed)'}"
        )
    from stemfast.pretrained import reconstructor as ground_truth_weights

    if ground_truth_weights.is_model(folder(name)):
        return ground_truth_weights.load(folder(name))
    return load(folder(name))
