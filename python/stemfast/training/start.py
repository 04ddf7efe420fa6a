"""Starting from weights that were learnt before, and the form in which weights are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from flax import nnx

from stemfast.training import pretrained, weights

if TYPE_CHECKING:
    from stemfast.models import Classifier
    from stemfast.training.weights import TrainedClassifier

__all__ = ["halved", "origin", "start_from"]


def _earlier(name: str) -> TrainedClassifier:
    """A network by the name it comes along under, or by its folder."""
    if name in pretrained.pretrained_names():
        found: TrainedClassifier = pretrained.load_pretrained(name)
        return found
    if not (Path(name) / weights.CONFIG_FILE).is_file():
        known = ", ".join(pretrained.pretrained_names())
        raise ValueError(
            f"start_from is {name!r}, expected a folder with a trained network, or one of {known}"
        )
    return weights.load(name)


def start_from(model: Classifier, name: str) -> None:
    """Give a network the weights of an earlier one.

    The last layer is taken over as well where it has the same classes.

    Parameters
    ----------
    model : Classifier
        Changed in place.
    name : str
        A network that comes along, or the folder of one.

    Raises
    ------
    ValueError
        If there is no such network, or it is of another architecture.
    """
    source = _earlier(name).model
    ours, theirs = (
        {**config.model_dump(), "n_classes": None, "image_shape": None, "binning": None}
        for config in (model.config, source.config)
    )
    if ours != theirs:
        differ = ", ".join(key for key in ours if ours[key] != theirs[key])
        raise ValueError(
            f"start_from is {name!r}: that network has another {differ}, "
            "expected the same architecture"
        )
    same_head = source.config.n_classes == model.config.n_classes
    taken = [
        (path, variable)
        for path, variable in nnx.to_flat_state(nnx.state(source, nnx.Param))
        if same_head or path[0] != "head"
    ]
    nnx.update(model, nnx.from_flat_state(taken))


def origin(name: str | None) -> dict[str, Any] | None:
    """What the record of a run says of the network that it started from."""
    if name is None:
        return None
    made = _earlier(name).card
    kept = ("command", "images_seen", "seconds")
    return {"name": name} | {key: made[key] for key in kept if key in made}


def halved(model: Classifier) -> Classifier:
    """The network with its weights rounded to 16 bits, in which they are kept on disk.

    It is rounded before it is calibrated and judged, so the figures are those of what is kept.
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
    made: Classifier = nnx.merge(graph, rounded)
    return made
