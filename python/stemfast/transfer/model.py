"""A backbone with its retrained last layer: use it, write it, read it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import atomic
from stemfast.models.predict import softmax
from stemfast.pretrained.prediction import Prediction
from stemfast.pretrained.store import (
    CONFIG_FILE,
    is_format,
    read_arrays,
    read_config,
    sealed_text,
)
from stemfast.transfer.backbone import Backbone, checked_images
from stemfast.transfer.choice import restore
from stemfast.transfer.head import Head
from stemfast.transfer.own_backbone import OwnBackbone

__all__ = ["TransferModel", "is_model", "load", "save"]

FORMAT = "stemfast transfer model"
FORMAT_VERSION = 2
_KEYS = {
    "class_names": list,
    "image_shape": list,
    "temperature": float,
    "backbone": dict,
    "backbone_key": dict,
    "head_sha256": str,
    "card": dict,
}
HEAD_FILE = "head.safetensors"
BACKBONE_FOLDER = "backbone"


@dataclass(frozen=True, eq=False, repr=False)
class TransferModel:
    """A classifier made by transfer learning.

    Attributes
    ----------
    backbone : Backbone
        Turns images into features.
    head : Head
        Turns features into logits.
    class_names : tuple of str
        Name of each class.
    image_shape : tuple of int
        Rows and columns of the images it was made with [px]; it reads no others, because the same
        particle at another pixel size is another picture to it.
    temperature : float
        Calibration found on validation images, divides the logits.
    card : dict
        How it was made, and its figures. Only for reading.
    """

    backbone: Backbone
    head: Head
    class_names: tuple[str, ...]
    image_shape: tuple[int, int]
    temperature: float = 1.0
    card: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Backbone, classes and image size."""
        rows, columns = self.image_shape
        return (
            f"TransferModel on {self.backbone}\n"
            f"  {len(self.class_names)} classes: {', '.join(self.class_names)}\n"
            f"  images of {rows} × {columns} px"
        )

    def probabilities(self, images: ArrayLike, *, batch_size: int = 32) -> NDArray[np.float64]:
        """Calibrated class probabilities of images.

        Parameters
        ----------
        images : array_like, (N, H, W)
            Images of `image_shape`, in any unit.
        batch_size : int
            Images that go through the backbone at once.

        Returns
        -------
        ndarray, (N, C) float64

        Raises
        ------
        ValueError, TypeError
            If the images have another size, are not finite or are constant.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1")
        array = checked_images(images, self.image_shape)
        features = [np.empty((0, self.backbone.n_features), np.float32)]
        for start in range(0, len(array), batch_size):
            features.append(self.backbone.features(array[start : start + batch_size]))
        return softmax(self.head.logits(np.concatenate(features)) / self.temperature)

    def predict(self, images: ArrayLike, *, batch_size: int = 32) -> Prediction:
        """Class probabilities of images (N, H, W), or of one image (H, W).

        Raises
        ------
        ValueError, TypeError
            As :meth:`probabilities`.
        """
        array = np.asarray(images)
        chances = self.probabilities(
            array[None] if array.ndim == 2 else array, batch_size=batch_size
        )
        return Prediction(chances, chances.argmax(axis=1), self.class_names)


def save(directory: str | Path, model: TransferModel) -> None:
    """Write a model into a folder that holds none yet; each file whole or not at all.

    The last layer lies in ``head.safetensors``, its meaning in ``config.json``. A backbone of ours
    is copied into ``backbone/``; one of Keras is remembered by name, file and checksum.

    Raises
    ------
    FileExistsError
        If there is a model already. It is left as it is.
    """
    from safetensors.numpy import save as to_bytes

    folder = Path(directory)
    check_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = model.head
    content = to_bytes(
        {"mean": head.mean, "scale": head.scale, "weights": head.weights, "bias": head.bias}
    )
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "class_names": list(model.class_names),
        "image_shape": list(model.image_shape),
        "temperature": model.temperature,
        "backbone": model.backbone.reference,
        "backbone_key": model.backbone.key,
        "head_sha256": hashlib.sha256(content).hexdigest(),
        "card": model.card,
    }
    text = sealed_text(config)
    if isinstance(model.backbone, OwnBackbone):
        model.backbone.save(folder / BACKBONE_FOLDER)
    atomic.write_bytes(folder / HEAD_FILE, content)
    atomic.write_text(folder / CONFIG_FILE, text)


def check_free(folder: Path) -> None:
    """Refuse a folder that holds a model."""
    if (folder / CONFIG_FILE).exists():
        raise FileExistsError(
            f"{folder} holds a model already: remove it, or give another folder with --out"
        )


def is_model(directory: str | Path) -> bool:
    """True if a folder says that it holds a model of transfer learning."""
    return is_format(Path(directory), FORMAT)


def load(directory: str | Path, *, weights: str | Path | None = None) -> TransferModel:
    """Read a model that :func:`save` wrote.

    Parameters
    ----------
    directory : str or Path
        Where it lies.
    weights : str or Path, optional
        The backbone's weights file, if it is no longer where it was.

    Returns
    -------
    TransferModel

    Raises
    ------
    FileNotFoundError
        If there is no model, or the backbone's weights are gone.
    ValueError
        If the files are damaged or do not belong together, or the weights are not those that the
        last layer was fitted to.
    """
    folder = Path(directory)
    config = read_config(
        folder, keys=_KEYS, kind="transfer model", form=FORMAT, version=FORMAT_VERSION
    )
    if len(config["image_shape"]) != 2 or any(type(n) is not int for n in config["image_shape"]):
        raise ValueError(
            f"{folder / CONFIG_FILE} has image_shape {config['image_shape']}, expected two whole "
            "numbers"
        )
    head = _read_head(folder, config["head_sha256"], len(config["class_names"]))
    try:
        backbone = restore(config["backbone"], folder / BACKBONE_FOLDER, weights)
    except KeyError as error:
        raise ValueError(f"{folder / CONFIG_FILE} has a wrong backbone: no {error}") from error
    if backbone.key != config["backbone_key"]:
        raise ValueError(
            f"the backbone {backbone} is not the one that the last layer in {folder} was fitted to "
            "(checksum or version differs): give its weights file, or train again"
        )
    if len(head.mean) != backbone.n_features:
        raise ValueError(f"{folder / HEAD_FILE} does not fit {CONFIG_FILE}: train again")
    return TransferModel(
        backbone,
        head,
        tuple(config["class_names"]),
        (config["image_shape"][0], config["image_shape"][1]),
        float(config["temperature"]),
        config["card"],
    )


def _read_head(folder: Path, checksum: str, classes: int) -> Head:
    arrays = read_arrays(folder, HEAD_FILE, checksum)
    shapes = {name: array.shape for name, array in arrays.items()}
    features = arrays["mean"].size if "mean" in arrays else 0
    wanted = {
        "mean": (features,),
        "scale": (features,),
        "weights": (features, classes),
        "bias": (classes,),
    }
    if shapes != wanted:
        raise ValueError(f"{folder / HEAD_FILE} does not fit {CONFIG_FILE}: train again")
    return Head(**arrays)
