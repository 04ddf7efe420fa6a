"""Trained networks: stored, loaded by name, and used with novelty and intervals.

JAX is loaded when one of these names is used.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from stemfast.lazy import loaded_when_used as _loaded_when_used

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

__getattr__ = _loaded_when_used(
    __name__,
    {
        "Prediction": "prediction",
        "TrainedClassifier": "classifier",
        "load": "classifier",
        "load_pretrained": "shipped",
        "pretrained_names": "shipped",
        "save": "classifier",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
