"""Trained networks: stored, loaded by name, and used with novelty and intervals.

JAX is loaded when one of these names is used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from stemfast.pretrained.classifier import TrainedClassifier, load, save
    from stemfast.pretrained.prediction import Prediction
    from stemfast.pretrained.shipped import load_pretrained, pretrained_names

__all__ = [
    "Prediction",
    "TrainedClassifier",
    "load",
    "load_pretrained",
    "pretrained_names",
    "save",
]

_LOADED_WHEN_USED = {
    "Prediction": "prediction",
    "TrainedClassifier": "classifier",
    "load": "classifier",
    "load_pretrained": "shipped",
    "pretrained_names": "shipped",
    "save": "classifier",
}


def __getattr__(name: str) -> _Any:
    if name in _LOADED_WHEN_USED:
        return getattr(_import_module(f"stemfast.pretrained.{_LOADED_WHEN_USED[name]}"), name)
    raise AttributeError(f"module 'stemfast.pretrained' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
