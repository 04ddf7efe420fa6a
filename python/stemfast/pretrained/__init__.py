"""Trained networks: stored, loaded by name, and used with novelty and intervals. Loads JAX."""

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
