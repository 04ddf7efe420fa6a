"""Networks in Flax NNX, loaded when used. They know no data sets and no training."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from stemfast.lazy import loaded_when_used as _loaded_when_used

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

__getattr__ = _loaded_when_used(
    __name__,
    {
        "Classifier": "classifier",
        "ClassifierConfig": "config",
        "CornerClassifier": "corner_classifier",
        "Reading": "classifier",
        "logits": "predict",
        "make_classifier": "corner_classifier",
        "probabilities": "predict",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
