"""Training and judging classifiers. Importing this loads JAX."""

from stemfast.training.experiment import Experiment
from stemfast.training.judge import Judgement, judge
from stemfast.training.loop import fit
from stemfast.training.metrics import Evaluation, evaluate, fit_temperature
from stemfast.training.pretrained import load_pretrained, pretrained_names
from stemfast.training.run import train
from stemfast.training.settings import TrainingSettings
from stemfast.training.weights import Prediction, TrainedClassifier, load, save

__all__ = [
    "Evaluation",
    "Experiment",
    "Judgement",
    "Prediction",
    "TrainedClassifier",
    "TrainingSettings",
    "evaluate",
    "fit",
    "fit_temperature",
    "judge",
    "load",
    "load_pretrained",
    "pretrained_names",
    "save",
    "train",
]
