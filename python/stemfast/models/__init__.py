"""Networks in Flax NNX. They know no data sets and no training."""

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
