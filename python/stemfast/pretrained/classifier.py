"""Trained networks on disk: safetensors for the weights, JSON for what they mean."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.framing import framed
from stemfast.image.taking import taken
from stemfast.models import Classifier, ClassifierConfig, make_classifier, probabilities
from stemfast.models.predict import softmax
from stemfast.pretrained.chunks import in_chunks
from stemfast.pretrained.class_gaussians import QUANTILE
from stemfast.pretrained.novelty import NoveltyModel, features_and_logits
from stemfast.pretrained.prediction import Prediction
from stemfast.pretrained.prediction_sets import SetThresholds
from stemfast.pretrained.sampling import (
    Learnt,
    Sampled,
    check_images,
    check_pixel_size,
    sampled,
)
from stemfast.pretrained.store import (
    CONFIG_FILE,
    FORMAT,
    FORMAT_VERSION,
    WEIGHTS_FILE,
    architecture,
    as_told,
    card_html,
    filled,
    read_arrays,
    read_config,
    summary,
    write_network,
)

__all__ = ["TrainedClassifier", "load", "save"]

_SAME_SCALE = 0.02  # relative difference of pixel sizes that no image shows
_FRAMED = "each image's particle was framed at the scale of its size"
NOVELTY_FILE = "novelty.safetensors"
_KEYS = {
    "class_names": list,
    "temperature": float,
    "architecture": dict,
    "weights_sha256": str,
    "card": dict,
}


@dataclass(frozen=True, repr=False)
class TrainedClassifier:
    """Classifier with its class names, calibration and model card.

    Attributes
    ----------
    model : Classifier
        The network.
    class_names : tuple of str
        Name of each output.
    temperature : float
        Calibration, divides the logits.
    card : dict
        How it was made: recipe, seed, figures. Only for reading.
    novelty_model : NoveltyModel, optional
        Distribution of the images that it learnt from, for :meth:`novelty`.
    set_thresholds : SetThresholds, optional
        Calibration of :meth:`prediction_sets`.
    """

    model: Classifier
    class_names: tuple[str, ...]
    temperature: float = 1.0
    card: dict[str, Any] = field(default_factory=dict)
    novelty_model: NoveltyModel | None = None
    set_thresholds: SetThresholds | None = None

    def __post_init__(self) -> None:
        if len(self.class_names) != self.model.config.n_classes:
            raise ValueError(
                f"class_names is {self.class_names}, expected {self.model.config.n_classes} "
                "names, one per output of the network"
            )
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature is {self.temperature}, expected a positive number")

    def _repr_html_(self) -> str:
        return card_html(repr(self))

    def __repr__(self) -> str:
        """Name, task, classes, image size, pixel size and accuracy."""
        height, width = self.model.config.image_shape
        lines = [f"{len(self.class_names)} classes: {', '.join(self.class_names)}"]
        lines += [f"images of {height} × {width} px"]
        test = self.card.get("test", {})
        lines += as_told(
            lambda: (
                f"balanced accuracy {100 * test['balanced_accuracy']:.1f} % on "
                f"{test['images']:,} test images"
            )
        )
        return summary("TrainedClassifier", self.card, *lines)

    def predict(self, images: ArrayLike, *, pixel_size_nm: float | None = None) -> Prediction:
        """Class probabilities of images (N, H, W), or of one image (H, W), with their novelty.

        Parameters
        ----------
        images : array_like, stemfast Image or HyperSpy signal
            Of one bright particle each.
        pixel_size_nm : float, optional
            Pixel size of the images [nm]. Images of any size and pixel size are brought to those
            that the network learnt from (`stemfast.pretrained.sampling`). By default what the
            images say, as `Image` and HyperSpy's signals do; images that say none are read as they
            are, and must have the learnt size. A network of portraits does not need it: it frames
            the particle of an image of any size (`stemfast.framing`).

        Raises
        ------
        ValueError, TypeError
            If the network cannot read the images (another size without a pixel size, NaN, no
            contrast, not numbers), if the pixel size is out of any sense, or if the network does
            not say which one it learnt from.

        Warns
        -----
        UserWarning
            If pixels are much larger than the learnt ones, or particles larger or smaller.

        Examples
        --------
        >>> from stemfast import load_pretrained, recipes
        >>> fine = recipes.get("count", image_px=256).sample(seed=1, start=0, stop=2).simulate()
        >>> answer = load_pretrained("count").predict(fine, pixel_size_nm=0.125)
        >>> answer.probabilities.shape, answer.notes
        ((2, 9), ('images of 256 × 256 px at 0.125 nm were averaged over areas to 0.25 nm',))
        """
        array, own = taken(images)
        array = array[None] if array.ndim == 2 else array
        if pixel_size_nm is None and self._needs_another_scale(array, own):
            pixel_size_nm = own
        if self.reads_portraits:
            if pixel_size_nm is not None:
                check_pixel_size(pixel_size_nm)
            check_images(array)
            side = self.model.config.image_shape[0]
            portraits = in_chunks(lambda few: np.stack([framed(one, side) for one in few]), array)
            return self.read(portraits, notes=(_FRAMED,))
        if pixel_size_nm is None:
            self._check_size(array)
            return self.read(array)
        seen = self.resampled(array, pixel_size_nm)
        for text in seen.warnings:
            warnings.warn(text, stacklevel=2)
        return self.read(seen.images, seen.outside, (*seen.notes, *seen.warnings))

    def _needs_another_scale(self, images: NDArray[Any], own: float | None) -> bool:
        """True for images that say a pixel size and are not as the network learnt them."""
        learnt = self.learnt
        if own is None or learnt is None:
            return False
        other_size = images.shape[1:] != self.model.config.image_shape
        return other_size or abs(own / learnt.pixel_size_nm - 1.0) > _SAME_SCALE

    def resampled(self, images: ArrayLike, pixel_size_nm: float) -> Sampled:
        """Images (N, H, W) of any size and pixel size [nm] as the network reads them.

        Raises
        ------
        ValueError, TypeError
            As :meth:`predict`.
        """
        learnt = self.learnt
        if learnt is None:
            raise ValueError(
                f"pixel_size_nm is {pixel_size_nm!r}, but the network does not say which pixel "
                "size it learnt from: give images as it learnt them, and no pixel size"
            )
        return sampled(images, pixel_size_nm, learnt)

    @property
    def reads_portraits(self) -> bool:
        """True if it reads particles at the scale of their size, whatever the pixel size."""
        return bool(self.card.get("portraits"))

    @property
    def learnt(self) -> Learnt | None:
        """Image size, pixel size and particles that it learnt from, as far as its card says."""
        return Learnt.of(self.card, self.model.config.image_shape)

    def _check_size(self, images: NDArray[Any]) -> None:
        shape = self.model.config.image_shape
        if images.ndim == 3 and images.shape[1:] != shape and self.learnt is not None:
            raise ValueError(
                f"images has shape {images.shape}, expected (N, {shape[0]}, {shape[1]}), or their "
                "pixel_size_nm (--pixel-size) so that they can be resampled"
            )

    def read(
        self,
        images: NDArray[Any],
        outside: NDArray[np.bool_] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Prediction:
        """Prediction, with novelty where it is known, of images as the network reads them.

        Parameters
        ----------
        images : (N, H, W) array
            Of the learnt size; of a network of portraits, portraits.
        outside : (N,) bool, optional
            Images beyond the learnt range.
        notes : tuple of str
            How the images were made.

        Raises
        ------
        ValueError, TypeError
            If the network cannot read the images.
        """
        if outside is None:
            outside = np.zeros(len(images), bool)
        novelty = None
        if self.novelty_model is None:
            chances = self.probabilities(images)
        else:
            features, logits = features_and_logits(self.model, images)
            chances = softmax(logits, self.temperature)
            novelty, beyond = self.novelty_model.explained(features, images)
            notes = (*notes, *beyond)
        return Prediction(
            chances, chances.argmax(axis=1), self.class_names, novelty, outside, notes
        )

    def prediction_sets(
        self, images: ArrayLike, coverage: float = 0.9, *, pixel_size_nm: float | None = None
    ) -> NDArray[np.bool_]:
        """Sets of classes that hold the right one for the share `coverage` of the images.

        The share holds on average over images like those that the network learnt from; see
        `stemfast.pretrained.prediction_sets`.

        Parameters
        ----------
        images, pixel_size_nm
            As for :meth:`predict`.
        coverage : float
            0.5 … 0.99.

        Returns
        -------
        (N, n_classes) bool
            True for the classes in the set of each image. A set can be empty.

        Raises
        ------
        ValueError, TypeError
            As :meth:`predict`; also if the network was stored without thresholds, or the coverage
            is out of range.

        Examples
        --------
        >>> from stemfast import load_pretrained, recipes
        >>> images = recipes.get("count").sample(seed=1, start=0, stop=4).simulate()
        >>> load_pretrained("count").prediction_sets(images, 0.95).shape
        (4, 9)
        """
        thresholds = self.thresholds()
        thresholds.least(coverage)
        said = self.predict(images, pixel_size_nm=pixel_size_nm)
        return thresholds.sets(said.probabilities, coverage)

    def thresholds(self) -> SetThresholds:
        """The thresholds of its prediction sets.

        Raises
        ------
        ValueError
            If it was stored without.
        """
        if self.set_thresholds is None:
            raise ValueError(
                "this network was stored without thresholds of prediction sets: "
                "examples/add_prediction_sets.py adds them"
            )
        return self.set_thresholds

    def probabilities(self, images: ArrayLike) -> NDArray[np.float64]:
        """Calibrated class probabilities (N, n_classes) of images (N, H, W) of the learnt size.

        A network of portraits takes portraits here.
        """
        return probabilities(self.model, images, temperature=self.temperature)

    def novelty(self, images: ArrayLike) -> NDArray[np.float64]:
        """Novelty (N,) of images (N, H, W); above 1 is unlike the images learnt from.

        Of images like those it learnt from, about two in a hundred are above 1; see
        `stemfast.pretrained.novelty`.

        Raises
        ------
        ValueError
            If the network does not know: see `novelty_model`.
        """
        if self.novelty_model is None:
            raise ValueError(
                "this network was stored without what it learnt from is like, so it cannot say "
                "whether an image is unlike that: examples/add_novelty.py adds it"
            )
        features, _ = features_and_logits(self.model, images, poses=1)
        return self.novelty_model.novelty(features, images)


def save(directory: str | Path, trained: TrainedClassifier) -> None:
    """Write a trained network, each of its files whole or not at all.

    Parameters
    ----------
    directory : str or Path
        Made if missing. An older network in it is replaced.
    trained : TrainedClassifier
        What to write. Its card must be JSON-serialisable.
    """
    from safetensors.numpy import save as to_bytes

    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "class_names": list(trained.class_names),
        "temperature": trained.temperature,
        "architecture": trained.model.config.model_dump(mode="json"),
    }
    known = b""
    if trained.novelty_model is not None:
        known = to_bytes(trained.novelty_model.arrays())
        config["novelty"] = {
            "quantile": QUANTILE,
            "sha256": hashlib.sha256(known).hexdigest(),
        }
    if trained.set_thresholds is not None:
        config["prediction_sets"] = trained.set_thresholds.to_dict()
    config["card"] = trained.card
    write_network(directory, trained.model, config, {NOVELTY_FILE: known})


def load(directory: str | Path, *, class_names: tuple[str, ...] | None = None) -> TrainedClassifier:
    """Read a network that :func:`save` wrote.

    Parameters
    ----------
    directory : str or Path
        Where it lies.
    class_names : tuple of str, optional
        The classes that the caller counts on; another network is refused.

    Returns
    -------
    TrainedClassifier

    Raises
    ------
    FileNotFoundError
        If there is no network in `directory`.
    ValueError
        If the files are damaged or do not belong together, or the network has other classes.
    """
    folder = Path(directory)
    config = read_config(folder, keys=_KEYS)
    arrays = read_arrays(folder, WEIGHTS_FILE, config["weights_sha256"])
    names = tuple(map(str, config["class_names"]))
    if class_names is not None and names != tuple(class_names):
        raise ValueError(
            f"the network in {folder} tells {names} apart, expected {tuple(class_names)}"
        )
    network = architecture(folder, config, "architecture", ClassifierConfig)
    model = filled(lambda rngs: make_classifier(network, rngs=rngs), arrays, folder)
    temperature, card = float(config["temperature"]), config["card"]
    novelty, thresholds = _novelty_model(folder, config, model), _set_thresholds(folder, config)
    try:
        return TrainedClassifier(model, names, temperature, card, novelty, thresholds)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG_FILE}: {error}") from error


def _set_thresholds(folder: Path, config: dict[str, Any]) -> SetThresholds | None:
    """Thresholds of a stored network; None for networks of earlier versions."""
    if "prediction_sets" not in config:
        return None
    try:
        return SetThresholds.of_dict(config["prediction_sets"])
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG_FILE} has wrong prediction_sets: {error}") from error


def _novelty_model(folder: Path, config: dict[str, Any], model: Classifier) -> NoveltyModel | None:
    """Novelty model of a stored network; None for networks of earlier versions."""
    stored = config.get("novelty")
    if stored is None:
        return None
    if not isinstance(stored, dict) or not isinstance(stored.get("sha256"), str):
        raise ValueError(f"{folder / CONFIG_FILE} has no 'novelty.sha256', expected a text")
    arrays = read_arrays(folder, NOVELTY_FILE, stored["sha256"])
    try:
        novelty_model = NoveltyModel.of_arrays(arrays)
    except ValueError as error:
        raise ValueError(f"{folder / NOVELTY_FILE}: {error}") from error
    if novelty_model.content.spread.shape != (model.head.in_features,):
        raise ValueError(f"{folder / NOVELTY_FILE} is of another network than {WEIGHTS_FILE}")
    return novelty_model
