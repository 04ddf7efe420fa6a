"""Trained networks that come with the package, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from stemfast.arguments import did_you_mean
from stemfast.pretrained.store import CONFIG_FILE, FORMAT, is_format

if TYPE_CHECKING:
    from stemfast.pretrained.classifier import TrainedClassifier
    from stemfast.pretrained.finder import TrainedFinder
    from stemfast.pretrained.reconstructor import TrainedReconstructor

__all__ = ["folder", "load_pretrained", "pretrained_names"]

#: Names of the classifiers that come with the package.
ClassifierName = Literal["count", "deformed", "open-shapes", "pairs-cube", "pairs-cuboid", "shapes"]

_FOLDER = Path(__file__).parents[1] / "weights"


def _installed() -> list[str]:
    if not _FOLDER.is_dir():
        return []
    return sorted(item.name for item in _FOLDER.iterdir() if (item / CONFIG_FILE).is_file())


def pretrained_names() -> tuple[str, ...]:
    """Names of the classifiers that :func:`stemfast.load_pretrained` knows.

    Besides them it knows ``"ground-truth"``, which reads several images of one particle, and
    ``"finder"``, which finds the particles of a micrograph.
    """
    return tuple(name for name in _installed() if is_format(folder(name), FORMAT))


def folder(name: str) -> Path:
    """Folder of the network of this name."""
    return _FOLDER / name


@overload
def load_pretrained(name: ClassifierName) -> TrainedClassifier: ...
@overload
def load_pretrained(name: Literal["ground-truth"]) -> TrainedReconstructor: ...
@overload
def load_pretrained(name: Literal["finder"]) -> TrainedFinder: ...
@overload
def load_pretrained(name: str) -> Any: ...
def load_pretrained(name: str) -> Any:
    """Trained and calibrated network that comes with the package.

    Parameters
    ----------
    name : str
        One of `pretrained_names`, ``"ground-truth"`` or ``"finder"``. What each was
        trained on and how good it is, is in its ``card`` and in docs/model_cards.

    Returns
    -------
    TrainedClassifier, TrainedReconstructor or TrainedFinder
        ``.predict(images)`` classifies images; that of ``"ground-truth"`` takes several images of
        one particle; that of ``"finder"`` is used by ``stemfast.find``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    known = _installed()
    if name not in known:
        raise ValueError(
            f"name is {name!r}, expected one of {', '.join(known) or '(none are installed)'}"
            + did_you_mean(name, known)
        )
    # Each kind imports what it needs alone: JAX and Flax take most of a second.
    if is_format(folder(name), FORMAT):
        from stemfast.pretrained import classifier

        return classifier.load(folder(name))
    from stemfast.pretrained import finder

    if finder.is_finder(folder(name)):
        return finder.load_finder(folder(name))
    from stemfast.pretrained import reconstructor

    return reconstructor.load(folder(name))
