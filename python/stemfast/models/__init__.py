"""Networks in Flax NNX. They know no data sets and no training."""

from stemfast.models.classifier import Classifier, Reading
from stemfast.models.config import ClassifierConfig
from stemfast.models.predict import logits, probabilities

__all__ = ["Classifier", "ClassifierConfig", "Reading", "logits", "probabilities"]
