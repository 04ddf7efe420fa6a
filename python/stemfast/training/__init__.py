"""Training and judging classifiers. Importing this loads JAX."""

from stemfast.evaluation.judge import Judgement, judge
from stemfast.evaluation.metrics import Evaluation, evaluate, fit_temperature
from stemfast.training.by_name import names, train
from stemfast.training.experiment import Experiment
from stemfast.training.in_memory import TrainingSettings, fit
from stemfast.training.processes import joined

__all__ = [
    "Evaluation",
    "Experiment",
    "Judgement",
    "TrainingSettings",
    "evaluate",
    "fit",
    "fit_temperature",
    "joined",
    "judge",
    "names",
    "train",
]
