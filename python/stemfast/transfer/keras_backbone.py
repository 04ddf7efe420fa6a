"""Networks of ``keras.applications`` as backbones, run by JAX."""

from __future__ import annotations

import hashlib
import importlib
import io
import math
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.transfer import normalise
from stemfast.transfer.architectures import Architecture
from stemfast.transfer.backbone import Backbone, checked_images

__all__ = ["WEIGHTS_SUFFIXES", "KerasBackbone", "load_keras"]

WEIGHTS_SUFFIXES = (".h5", ".hdf5", ".keras")
_BGR_MEAN = (103.939, 116.779, 123.68)  # ImageNet's, as keras.applications' "caffe" mode has them
_RANDOM_VERSION = 1


def load_keras() -> Any:
    """Import Keras on JAX, whatever its configuration file says.

    Raises
    ------
    ValueError
        If Keras is already there with another backend, is told by ``KERAS_BACKEND`` to take
        another, or is configured for channels first.
    ModuleNotFoundError
        If Keras is not installed.
    """
    loaded = sys.modules.get("keras")
    if loaded is None:
        wanted = os.environ.setdefault("KERAS_BACKEND", "jax")
        if wanted != "jax":
            raise ValueError(
                f"KERAS_BACKEND is {wanted!r}, expected 'jax', on which stemfast runs Keras: unset "
                "it or set it to jax"
            )
        loaded = importlib.import_module("keras")
    backend = loaded.config.backend()
    if backend != "jax":
        raise ValueError(
            f"keras was imported with the {backend!r} backend before stemfast.transfer needed it, "
            "expected 'jax': set the environment variable KERAS_BACKEND=jax before the first "
            "'import keras'"
        )
    layout = loaded.config.image_data_format()
    if layout != "channels_last":
        raise ValueError(
            f"keras is configured for image_data_format {layout!r}, expected 'channels_last': "
            "mend ~/.keras/keras.json"
        )
    return loaded


class KerasBackbone(Backbone):
    """A network of ``keras.applications`` without its last layer.

    Nothing is loaded before features are asked for that are not stored yet.

    Parameters
    ----------
    architecture : Architecture
        Which network.
    weights : str or Path
        ``"imagenet"``, ``"random"``, or a file that Keras wrote of this network: ``.h5`` in either
        of its layouts, or ``.keras``, with or without the last layer.
    seed : int
        Draws random weights.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it has another suffix.
    OSError
        If ImageNet's weights are not on this machine and cannot be downloaded.
    """

    def __init__(self, architecture: Architecture, weights: str | Path, *, seed: int = 0) -> None:
        self.architecture = architecture
        self.name = architecture.name
        self.n_features = architecture.n_features
        self.input_shape = (architecture.side_px, architecture.side_px)
        self.kind = str(weights) if weights in ("random", "imagenet") else "file"
        self.pretrained = self.kind != "random"
        self.seed = seed
        self._file: Path | None = None
        if self.kind == "random":
            self.weights = f"RANDOM weights, seed {seed}, trained on nothing"
            self._checksum = f"random {_RANDOM_VERSION}, seed {seed}"
            return
        if self.kind == "imagenet":
            self.weights = "ImageNet weights"
            self._file = imagenet_file(architecture)
        else:
            self._file = _checked_file(Path(weights), architecture)
            self.weights = f"weights of {self._file.name}"
        with self._file.open("rb") as content:
            self._checksum = hashlib.file_digest(content, "sha256").hexdigest()

    @property
    def key(self) -> dict[str, Any]:
        """Name, checksum of the weights, and version of what is done to the images."""
        return {
            "backbone": self.name,
            "weights": self._checksum,
            "side_px": self.architecture.side_px,
            "normalisation": normalise.VERSION,
        }

    @property
    def reference(self) -> dict[str, Any]:
        """Name, and ``imagenet``, ``random`` with its seed, or the file's path and checksum."""
        path = None
        if self.kind == "file" and self._file is not None:
            path = str(self._file.resolve())
        return {
            "kind": "keras",
            "name": self.name,
            "weights": self.kind,
            "file": path,
            "seed": self.seed,
        }

    def features(self, images: ArrayLike) -> NDArray[np.float32]:
        """Averages over the image of the last layer's maps, (B, n_features)."""
        array = normalise.normalised(checked_images(images))
        return np.asarray(self._forward(self._variables, array))

    @cached_property
    def model(self) -> Any:
        """The Keras model with its weights."""
        keras = load_keras()
        with _without_random_start(keras):
            model = self.architecture.build(keras)
        if self._file is None:
            _draw_weights(model, self.seed)
        else:
            _load_weights(model, self._file, self.name)
        return model

    @cached_property
    def _variables(self) -> tuple[list[jax.Array], list[jax.Array]]:
        model = self.model
        return (
            [variable.value for variable in model.trainable_variables],
            [variable.value for variable in model.non_trainable_variables],
        )

    @cached_property
    def _forward(self) -> Callable[..., jax.Array]:
        model, shape = self.model, self.input_shape

        @jax.jit
        def forward(variables: tuple[list[jax.Array], list[jax.Array]], images: Any) -> jax.Array:
            pixels = self.encode(normalise.resample(images, shape))
            return jnp.asarray(model.stateless_call(*variables, pixels, training=False)[0])

        return forward

    def encode(self, images: jax.Array) -> jax.Array:
        """Standardised images (B, H, W) as the network expects photographs, (B, H, W, 3)."""
        grey = jnp.repeat(images[..., None], 3, axis=-1)
        if self.architecture.pixels == "own":
            # The network's first layers are x/255, then (x - mean)/sqrt(variance) with what its
            # weights file holds. Undoing them gives it mean 0 and spread 1, whatever that is.
            layer = next(x for x in self.model.layers if type(x).__name__ == "Normalization")
            mean, variance = jnp.asarray(layer.mean), jnp.asarray(layer.variance)
            return 255.0 * (mean + jnp.sqrt(variance) * grey)
        white = normalise.PHOTOGRAPH_MEAN + normalise.PHOTOGRAPH_SPREAD * grey
        if self.architecture.pixels == "-1…1":
            return 2.0 * white - 1.0
        return 255.0 * white - jnp.asarray(_BGR_MEAN)


def imagenet_file(architecture: Architecture) -> Path:
    """The file of ImageNet weights, downloaded by Keras if this machine does not have it yet.

    Raises
    ------
    OSError
        If it cannot be downloaded; says how to go on.
    """
    keras = load_keras()
    try:
        return Path(
            keras.utils.get_file(
                architecture.weights_file,
                architecture.url,
                cache_subdir="models",
                file_hash=architecture.md5,
            )
        )
    except Exception as error:
        raise OSError(
            f"cannot download the ImageNet weights of {architecture.name} ({error}). On a machine "
            f"without internet, fetch {architecture.url} elsewhere and give it with --weights "
            "FILE, or take --weights random to go without pretraining"
        ) from error


def _checked_file(path: Path, architecture: Architecture) -> Path:
    if path.suffix.lower() not in WEIGHTS_SUFFIXES:
        raise ValueError(
            f"weights is {str(path)!r}, expected imagenet, random, or a file "
            f"({' '.join(WEIGHTS_SUFFIXES)}) with the weights of {architecture.name}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"weights: there is no file {path}")
    return path


@contextmanager
def _without_random_start(keras: Any) -> Iterator[None]:
    """Let Keras build a network with zeros for kernels.

    Each is overwritten right after. Drawing them costs half a minute, because JAX compiles a
    program for every shape; and a kernel that is still zero later was in no file.
    """
    scaling = keras.initializers.VarianceScaling
    before = scaling.__call__

    def zeros(self: Any, shape: tuple[int, ...], dtype: Any = None) -> NDArray[Any]:
        return np.zeros(shape, dtype or "float32")

    scaling.__call__ = zeros
    try:
        yield
    finally:
        scaling.__call__ = before


def _kernels(model: Any) -> list[Any]:
    return [variable for variable in model.weights if variable.name == "kernel"]


def _draw_weights(model: Any, seed: int) -> None:
    """Kernels from N(0, 2/fan-in), which keeps the signal's size from layer to layer.

    He et al. 2015, doi:10.1109/ICCV.2015.123. Normalisations stay at their identity.
    """
    rng = np.random.default_rng(seed)
    for variable in _kernels(model):
        shape = variable.shape
        depthwise = len(shape) == 4 and "depthwise" in variable.path
        fan_in = math.prod(shape[:2]) if depthwise else math.prod(shape[:-1])
        variable.assign(rng.normal(0.0, math.sqrt(2.0 / fan_in), shape).astype(np.float32))


def _load_weights(model: Any, file: Path, name: str) -> None:
    try:
        with _named_by_layout(file) as (path, content):
            classes = _classes_of_top(content, int(model.output_shape[-1]))
            # The layers of both are the same objects: what is read into one is in the other.
            whole = model if classes is None else _with_top(model, classes)
            whole.load_weights(str(path))
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(
            f"weights: {file} does not hold the weights of {name}, with or without its last layer, "
            f"or is cut short ({type(error).__name__}: {reason})"
        ) from error
    for variable in _kernels(model):
        values = np.asarray(variable.value)
        if not np.isfinite(values).all():
            raise ValueError(f"weights: {file} holds NaN or infinity in {variable.path}")
        if not values.any():
            raise ValueError(
                f"weights: {file} leaves {variable.path} of {name} at zero: not all weights are "
                "in it"
            )


@contextmanager
def _named_by_layout(file: Path) -> Iterator[tuple[Path, Any]]:
    """A weights file under a name that says its layout, and its HDF5 content.

    Keras chooses how to read a file by its name: ``.keras`` is an archive, ``.weights.h5`` the
    layout of Keras 3, any other ``.h5`` the one before. People name them otherwise.
    """
    import h5py

    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            weights = io.BytesIO(archive.read("model.weights.h5"))
        ending = ".keras"
    else:
        weights = io.BytesIO(file.read_bytes())
        with h5py.File(weights) as content:
            old = "layer_names" in content.attrs or "model_weights" in content
        ending = ".h5" if old else ".weights.h5"
    with h5py.File(weights) as content, tempfile.TemporaryDirectory() as folder:
        own = file.name.lower()
        if own.endswith(ending) and (ending != ".h5" or not own.endswith(".weights.h5")):
            yield file, content
            return
        named = Path(folder) / f"weights{ending}"
        shutil.copyfile(file, named)
        yield named, content


def _classes_of_top(content: Any, n_features: int) -> int | None:
    """Outputs of the last layer in a weights file, None for a file without that layer."""
    found: list[int] = []

    def look(path: str, item: Any) -> None:
        shape: tuple[int, ...] = getattr(item, "shape", ())
        if len(shape) == 2 and shape[0] == n_features and not path.startswith("optimizer"):
            found.append(int(shape[1]))

    content.visititems(look)
    return found[-1] if found else None


def _with_top(model: Any, classes: int) -> Any:
    """The model with the last layer of a file, which is read and left aside."""
    keras = load_keras()
    top = keras.layers.Dense(classes, kernel_initializer="zeros", name="predictions")
    return keras.Model(model.input, top(model.output))
