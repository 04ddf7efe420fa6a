"""Networks in Flax NNX, loaded when used. They know no data sets and no training."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from stemfast.models.classifier import Classifier, Reading
    from stemfast.models.config import ClassifierConfig
    from stemfast.models.corner_classifier import CornerClassifier, make_classifier
    from stemfast.models.predict import logits, probabilities

__all__ = [
    "Classifier",
    "ClassifierConfig",
    "CornerClassifier",
    "Reading",
    "logits",
    "make_classifier",
    "probabilities",
]

_LOADED_WHEN_USED = {
    "Classifier": "classifier",
    "ClassifierConfig": "config",
    "CornerClassifier": "corner_classifier",
    "Reading": "classifier",
    "logits": "predict",
    "make_classifier": "corner_classifier",
    "probabilities": "predict",
}


def __getattr__(name: str) -> _Any:
    if name in _LOADED_WHEN_USED:
        return getattr(_import_module(f"stemfast.models.{_LOADED_WHEN_USED[name]}"), name)
    raise AttributeError(f"module 'stemfast.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
