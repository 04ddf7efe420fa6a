"""Weights and configuration of a trained network as files: float16, checked byte for byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

__all__ = [
    "CONFIG_FILE",
    "FORMAT",
    "FORMAT_VERSION",
    "WEIGHTS_FILE",
    "compact",
    "filled",
    "flat",
    "read_config",
    "rounded_to_float16",
    "same_bytes",
    "summary",
]

Network = TypeVar("Network", bound=nnx.Module)

FORMAT = "stemfast classifier"
FORMAT_VERSION = 2
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"


def summary(kind: str, card: dict[str, Any], *lines: str) -> str:
    """Representation of a trained network on a few lines, from its card.

    Parameters
    ----------
    kind : str
        Name of its class.
    card : dict
        As far as it is filled.
    *lines : str
        What to say besides the name and the pixel size.
    """
    experiment, recipe = card.get("experiment", {}), card.get("recipe", {})
    name = experiment.get("name", "unnamed")
    task = f", recipe {experiment['recipe']}" if "recipe" in experiment else ""
    known = [*lines]
    if "field_nm" in recipe and "image_px" in recipe:
        pixel = recipe["field_nm"] / recipe["image_px"]
        known.append(f"{pixel:.3g} nm a pixel, {recipe['conditions']} conditions")
    return "\n".join([f"{kind} {name!r}{task}", *(f"  {line}" for line in known)])


def flat(model: nnx.Module) -> dict[str, NDArray[Any]]:
    """Weights by dotted name, in the order of the names."""
    found = {
        ".".join(str(part) for part in path): np.asarray(variable[...])
        for path, variable in nnx.to_flat_state(nnx.state(model, nnx.Param))
    }
    return dict(sorted(found.items()))


def compact(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in 16 bits, where that loses nothing."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(array.dtype), array) else array


def rounded_to_float16(model: Network) -> Network:
    """Network with its weights rounded to float16, the type in which they are stored.

    It is rounded before it is calibrated and judged: the figures are those of the stored
    network.
    """
    graph, state = nnx.split(model)
    rounded = jax.tree.map(
        lambda array: (
            array.astype(jnp.float16).astype(array.dtype)
            if jnp.issubdtype(array.dtype, jnp.floating)
            else array
        ),
        state,
    )
    made: Network = nnx.merge(graph, rounded)
    return made


def read_config(
    folder: Path,
    *,
    kind: str = "trained network",
    form: str = FORMAT,
    version: int = FORMAT_VERSION,
) -> dict[str, Any]:
    """The configuration of a saved model, of this format and version.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged, of something else, or of another version.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"directory {folder} holds no {CONFIG_FILE}: no {kind}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or config.get("format") != form:
        raise ValueError(f'{path} does not say "format": "{form}": not a {kind}')
    if config.get("format_version") != version:
        raise ValueError(
            f"{path} has format_version {config.get('format_version')}, this stemfast reads "
            f"{version}: train the network again"
        )
    return config


def same_bytes(folder: Path, name: str, digest: str | None) -> bytes:
    """A file's content, if it is the one that the configuration was written with."""
    if not (folder / name).is_file():
        raise FileNotFoundError(f"directory {folder} holds no {name}")
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(
            f"{folder / name} is not the file that {CONFIG_FILE} was written with "
            "(SHA-256 differs): train the network again or copy all its files anew"
        )
    return content


def filled(make: Callable[[], nnx.Module], weights: dict[str, NDArray[Any]], folder: Path) -> Any:
    """A network with these weights; its first ones, which would cost seconds, are never drawn.

    Raises
    ------
    ValueError
        If the weights are not those of such a network.
    """
    graph, state = nnx.split(nnx.eval_shape(make))
    empty = nnx.to_flat_state(state)
    names = [".".join(str(part) for part in path) for path, _ in empty]
    expected = {name: variable.shape for name, (_, variable) in zip(names, empty, strict=True)}
    if {name: array.shape for name, array in weights.items()} != expected:
        raise ValueError(f"the weights in {folder} do not fit the architecture in {CONFIG_FILE}")
    full = [
        (path, variable.replace(jnp.asarray(weights[name], variable.dtype)))
        for name, (path, variable) in zip(names, empty, strict=True)
    ]
    return nnx.merge(graph, nnx.from_flat_state(full))
