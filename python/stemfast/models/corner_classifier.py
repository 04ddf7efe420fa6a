"""A classifier that answers by finding the corners of a cuboid and looking at each of them.

:mod:`stemfast.models.view_reader` gives every choice of deformed corners a likelihood; the class of
an image follows by adding up those of its choices.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stemfast.models.classifier import Classifier, binned
from stemfast.models.config import READER_PX, ClassifierConfig
from stemfast.models.layers import Linear
from stemfast.models.view_reader import Found, ViewReader
from stemfast.symmetry.corner_questions import CornerQuestion, log_prior

__all__ = ["HARDLY", "CornerClassifier", "make_classifier"]


#: Logarithm of the chance of what is not in a class, so that all sums are finite.
HARDLY = -1e4


class CornerClassifier(Classifier):
    """Corners found, looked at, and counted.

    Parameters
    ----------
    config : ClassifierConfig
        The architecture; its ``question`` is about the corners.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(self, config: ClassifierConfig, *, rngs: nnx.Rngs) -> None:
        if config.question is None:
            raise ValueError("config.question is None, expected what is asked of the corners")
        self.config = config
        self.reader = ViewReader(Classifier(config.trunk(), rngs=rngs), rngs=rngs)
        n_classes = config.n_classes
        # At first the answer is what the likelihoods add up to; the summary corrects it.
        start = np.zeros((n_classes + self.reader.channels, n_classes), np.float32)
        start[:n_classes] = np.eye(n_classes)
        self.head = Linear(*start.shape, rngs=rngs)
        self.head.kernel[...] = jnp.asarray(start)

    @property
    def question(self) -> CornerQuestion:
        """Question about the corners that the classes answer."""
        assert self.config.question is not None
        return self.config.question

    def look(
        self,
        images: jax.Array,
        *,
        shown: tuple[jax.Array, jax.Array, jax.Array] | None = None,
        dtype: jnp.dtype | type = jnp.float32,
    ) -> tuple[jax.Array, Found]:
        """Features (B, F) of the last layer, and the reader's findings in (binned) pixels.

        Parameters
        ----------
        images : (B, H, W, 1)
            Pixel values.
        shown, dtype
            As for :meth:`ViewReader.look`.
        """
        self.check(images)
        x = binned(images, self.config.binning)
        margins = [((READER_PX - side) // 2, (READER_PX - side + 1) // 2) for side in x.shape[1:3]]
        x = jnp.pad(x, [(0, 0), *margins, (0, 0)], mode="edge")
        found = self.reader.look(x, jnp.ones(len(x)), shown=shown, dtype=dtype)
        inside = np.maximum(log_prior(self.question), HARDLY).astype(np.float32)
        likelihood = found.reading.masks[..., None] + jnp.asarray(inside)
        evidence = jax.nn.logsumexp(likelihood, axis=1)
        return jnp.concatenate([evidence, found.reading.token], axis=1), found

    def _look(
        self, images: jax.Array, dtype: jnp.dtype | type = jnp.float32
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        features, found = self.look(images, dtype=dtype)
        return features, found.maps


def make_classifier(config: ClassifierConfig, *, rngs: nnx.Rngs) -> Classifier:
    """The network of a configuration, with its first weights."""
    kind = Classifier if config.question is None else CornerClassifier
    return kind(config, rngs=rngs)
