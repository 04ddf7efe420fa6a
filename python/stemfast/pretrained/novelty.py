"""Novelty model: distance of an image from the images that a network learnt from.

Three things are looked at. Two are descriptions of validation images, each kept as a
class-conditional Gaussian (:mod:`stemfast.pretrained.class_gaussians`):

- the features of the network's last layer, which change with what is in the image;
- the image's texture: its power in rings of spatial frequency and the quantiles of its grey
  values, which change with noise, blur, film and framing. A network learns not to see these, so
  they have to be looked at beside it.

The squared distance to the nearest mean is divided by the distance that one validation image in
two hundred exceeds. The third is how the image was taken: its probe, row jitter and dose, each over
the largest (of the dose, least) that training reached (:mod:`stemfast.pretrained.imaging_limits`).
An image's novelty is the largest of all. How far that helps, and where it does not, is measured in
docs/off_distribution.md.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.models.predict import batches, check_images, compiled
from stemfast.pretrained.chunks import in_chunks
from stemfast.pretrained.class_gaussians import ClassGaussians
from stemfast.pretrained.imaging_limits import ImagingLimits

if TYPE_CHECKING:
    from stemfast.models import Classifier

__all__ = ["NoveltyModel", "features_and_logits", "texture"]

#: Rings of spatial frequency whose power is compared.
RINGS = 10
GREY_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_PARTS = ("content", "texture", "imaging")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class NoveltyModel:
    """Features, texture and imaging conditions of the images that a network learnt from.

    Attributes
    ----------
    content : ClassGaussians
        Of the features of its last layer.
    texture : ClassGaussians
        Of :func:`texture`.
    imaging : ImagingLimits, optional
        Of probe, row jitter and dose. A network of portraits has none, as each portrait has a scale
        of its own.
    """

    content: ClassGaussians
    texture: ClassGaussians
    imaging: ImagingLimits | None = None

    def __repr__(self) -> str:
        """Sizes of its Gaussians, and its limits."""
        parts = f"content={self.content!r}, texture={self.texture!r}, imaging={self.imaging!r}"
        return f"NoveltyModel({parts})"

    def novelty(self, features: ArrayLike, images: ArrayLike) -> Floats:
        """Novelty (N,) of images (N, H, W) with features (N, F); above 1 is off distribution."""
        return self.explained(features, images)[0]

    def explained(self, features: ArrayLike, images: ArrayLike) -> tuple[Floats, tuple[str, ...]]:
        """Novelty (N,), and sentences on imaging conditions that are beyond the learnt ones.

        Parameters
        ----------
        features : (N, F) array_like
            Of the network's last layer.
        images : (N, H, W) array_like
        """
        seen = np.maximum(self.content.distance(features), self.texture.distance(texture(images)))
        if self.imaging is None:
            return seen, ()
        beyond = self.imaging.beyond(images)
        return np.maximum(seen, beyond.max(axis=1)), self.imaging.told(beyond)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for the disk, by name."""
        parts = {name: getattr(self, name) for name in _PARTS}
        return {
            f"{part}.{name}": array
            for part, known in parts.items()
            if known is not None
            for name, array in known.arrays().items()
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> NoveltyModel:
        """Novelty model from the arrays of :meth:`arrays`.

        Raises
        ------
        ValueError
            If arrays are missing or do not fit together.
        """
        parts: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in _PARTS}
        for name, array in arrays.items():
            part, _, own = name.partition(".")
            if part not in parts:
                raise ValueError(f"an array is {name!r}, expected {'.…, '.join(_PARTS)}.…")
            parts[part][own] = array
        content, textures, imaging = parts.values()
        return cls(
            ClassGaussians.of_arrays(content),
            ClassGaussians.of_arrays(textures),
            ImagingLimits.of_arrays(imaging) if imaging else None,
        )


def texture(images: ArrayLike) -> Floats:
    """Spectrum and grey values of images (N, H, W), one row each.

    The logarithm of the mean power in rings of spatial frequency, evenly spaced in its logarithm
    from 1.5 periods an image to the Nyquist frequency, and quantiles of the grey values; of images
    standardised to mean 0 and spread 1, like the network standardises them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(2, 64, 64))
    >>> texture(noise).shape, np.allclose(texture(noise), texture(7 * noise + 3))
    ((2, 17), True)
    """
    return in_chunks(_texture, np.asarray(images))


def _texture(images: NDArray[Any]) -> Floats:
    array = images.astype(np.float64)
    array -= array.mean(axis=(1, 2), keepdims=True)
    array /= np.maximum(array.std(axis=(1, 2), keepdims=True), np.finfo(np.float64).tiny)
    height, width = array.shape[1:]
    window = np.hanning(height)[:, None] * np.hanning(width)
    wave = np.fft.rfft2(array * window)
    power = wave.real**2 + wave.imag**2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    edges = np.geomspace(1.5 / min(height, width), 0.5, RINGS + 1)
    rings = [(frequency >= low) & (frequency < high) for low, high in itertools.pairwise(edges)]
    powers = [power[:, ring].mean(axis=1) for ring in rings if ring.any()]
    floor = 1e-12  # of an image without any noise, so that the logarithm is finite
    grey = np.quantile(array.reshape(len(array), -1), GREY_QUANTILES, axis=1)
    return np.stack([*(np.log(ring + floor) for ring in powers), *grey], axis=1)


@compiled
def _features_and_logits(model: Classifier, batch: jax.Array) -> tuple[jax.Array, jax.Array]:
    features = model.features(batch)
    return features, model.head(features)


def features_and_logits(
    model: Classifier, images: ArrayLike, *, poses: int | None = None, batch_size: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (N, F) of the last layer for images, and logits (N, C).

    Where the network reads several orientations, features are those of the image as it is, and
    logits the mean over all.

    Parameters
    ----------
    model : Classifier
    images : (N, H, W) array_like
    poses : int, optional
        Orientations to read; by default as many as the network's ``config.poses``.
    batch_size : int, optional
        Images that the network reads at once; by default as :func:`stemfast.models.logits`.

    Raises
    ------
    ValueError, TypeError
        As :func:`stemfast.models.check_images`.
    """
    array = check_images(images, model.config.image_shape)
    poses = model.config.poses if poses is None else poses
    features = np.empty((len(array), model.head.in_features), np.float32)
    logits = np.zeros((len(array), model.head.out_features), np.float32)
    for own, pose, batch in batches(array, poses, batch_size):
        seen, table = (
            np.asarray(x)[: own.stop - own.start] for x in _features_and_logits(model, batch)
        )
        logits[own] += table
        if pose == 0:
            features[own] = seen
    return features, logits / np.float32(poses)
