"""Training and judging classifiers. Importing this loads JAX."""

from stemfast.training.loop import fit
from stemfast.training.metrics import Evaluation, evaluate, fit_temperature
from stemfast.training.settings import TrainingSettings
from stemfast.training.weights import TrainedClassifier, load, save

__all__ = [
    "Evaluation",
    "TrainedClassifier",
    "TrainingSettings",
    "evaluate",
    "fit",
    "fit_temperature",
    "load",
    "save",
]
