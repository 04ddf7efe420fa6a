"""Backbone: turns images into features that a last layer reads."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.models.predict import check_images

__all__ = ["Backbone", "checked_images"]


class Backbone(ABC):
    """A network without its last layer.

    Attributes
    ----------
    name : str
        What the command line calls it.
    weights : str
        Where its weights come from, in words for people.
    pretrained : bool
        Whether the weights were trained on anything at all.
    n_features : int
        Length of its feature vector.
    input_shape : tuple of int
        Rows and columns of the images it reads [px]; others are resampled to it.
    """

    name: str
    weights: str
    pretrained: bool = True
    n_features: int
    input_shape: tuple[int, int]

    @property
    @abstractmethod
    def key(self) -> dict[str, Any]:
        """Everything its features depend on, of plain types; weights by their checksum."""

    @property
    @abstractmethod
    def reference(self) -> dict[str, Any]:
        """Record by which a saved model finds this backbone again."""

    @abstractmethod
    def features(self, images: ArrayLike) -> NDArray[np.float32]:
        """Features (B, n_features) of images (B, H, W), in any unit and of any one size."""

    @cached_property
    def identity(self) -> str:
        """SHA-256 of :attr:`key`: the same for the same features."""
        text = json.dumps(self.key, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.name} ({self.weights})"


def checked_images(images: ArrayLike, shape: tuple[int, int] | None = None) -> NDArray[np.number]:
    """Images (N, H, W) as an array: square, of one size, real, finite, none of them constant.

    Raises
    ------
    ValueError, TypeError
        If they are not, or not of `shape` where that is given.
    """
    array = np.asarray(images)
    if array.ndim != 3 or array.shape[1] != array.shape[2]:
        raise ValueError(f"images has shape {array.shape}, expected (N, side, side): square images")
    return check_images(array, (array.shape[1], array.shape[2]) if shape is None else shape)
