"""Our own trained networks as backbones: the pooled features in front of their last layer."""

from __future__ import annotations

import hashlib
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike, NDArray

from stemfast import pretrained
from stemfast.pretrained.classifier import TrainedClassifier
from stemfast.transfer import normalise
from stemfast.transfer.backbone import Backbone, checked_images

__all__ = ["OwnBackbone"]


class OwnBackbone(Backbone):
    """A trained :class:`stemfast.models.Classifier` without its last layer.

    Images of another size than it was trained on are resampled to it.

    Parameters
    ----------
    name : str
        What to call it.
    trained : TrainedClassifier
        The network.
    folder : Path, optional
        Where it lies.
    """

    def __init__(self, name: str, trained: TrainedClassifier, folder: Path | None = None) -> None:
        self.name = name
        self.trained = trained
        self.folder = folder
        self.weights = f"our network for {', '.join(trained.class_names)}"
        self.input_shape = trained.model.config.image_shape
        self.n_features = int(trained.model.head.kernel.shape[0])

    @cached_property
    def key(self) -> dict[str, Any]:
        """Checksum of the weights, architecture, and version of what is done to the images."""
        checksum = hashlib.sha256()
        for path, variable in sorted(nnx.to_flat_state(nnx.state(self.trained.model, nnx.Param))):
            checksum.update(repr(path).encode())
            checksum.update(np.asarray(variable[...]).tobytes())
        return {
            "backbone": "stemfast",
            "weights": checksum.hexdigest(),
            "architecture": self.trained.model.config.model_dump(mode="json"),
            "normalisation": normalise.VERSION,
        }

    @property
    def reference(self) -> dict[str, Any]:
        """Only the name: a saved model takes the network itself along, it is small."""
        return {"kind": "stemfast", "name": self.name}

    def save(self, folder: Path) -> None:
        """Write the whole network into a folder."""
        pretrained.save(folder, self.trained)

    def features(self, images: ArrayLike) -> NDArray[np.float32]:
        """Its pooled features (B, n_features)."""
        graph, state = self._split
        return np.asarray(_features(graph, state, self.resampled(images)))

    def resampled(self, images: ArrayLike) -> NDArray[np.float32]:
        """Images (B, H, W) as the network is shown them: at its size, unchanged if they have it."""
        array = checked_images(images)
        if array.shape[1:] == self.input_shape:
            return np.asarray(array, dtype=np.float32)
        # Standardised first: cubic resampling of large pixel values would lose digits.
        scaled = jnp.asarray(normalise.normalised(array))
        return np.asarray(normalise.resample(scaled, self.input_shape))

    @cached_property
    def _split(self) -> Any:
        return nnx.split(self.trained.model)


@partial(jax.jit, static_argnames="graph")
def _features(graph: Any, state: Any, images: Any) -> jax.Array:
    features: jax.Array = nnx.merge(graph, state).features(images[..., None])
    return features
