"""Initial weights from a network that was trained before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flax import nnx

from stemfast import pretrained
from stemfast.models import Classifier, ClassifierConfig, CornerClassifier
from stemfast.models.reconstructor import GroundTruthNetwork
from stemfast.models.view_reader import ViewReader
from stemfast.pretrained import classifier as weights
from stemfast.pretrained import reconstructor as ground_truth_weights
from stemfast.pretrained.classifier import TrainedClassifier
from stemfast.pretrained.reconstructor import TrainedReconstructor
from stemfast.pretrained.store import CONFIG_FILE

__all__ = ["origin", "start_from"]

_KINDS: dict[type, str] = {
    Classifier: "a network that reads single images",
    GroundTruthNetwork: "a network that reads several images",
}


def _earlier(name: str) -> TrainedClassifier | TrainedReconstructor:
    """A network by the name it comes along under, or by its folder."""
    known = (*pretrained.pretrained_names(), "ground-truth")
    if name in known:
        found: TrainedClassifier | TrainedReconstructor = pretrained.load_pretrained(name)
        return found
    if not (Path(name) / CONFIG_FILE).is_file():
        raise ValueError(
            f"start_from is {name!r}, expected a folder with a trained network, or one of "
            f"{', '.join(known)}"
        )
    if ground_truth_weights.is_model(Path(name)):
        return ground_truth_weights.load(name)
    return weights.load(name)


def start_from(model: Classifier, name: str) -> None:
    """Give a network the weights of an earlier one.

    The last layer is taken over as well where it has the same classes. A network that finds corners
    takes those of another one that does, or of the ground-truth network's reader; between one that
    finds corners and one that does not, the convolutions are handed on.

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
    source, target = _matching(_earlier(name).model, model)
    same_head = _check_alike(target, source, name)
    taken = [
        (path, variable)
        for path, variable in nnx.to_flat_state(nnx.state(source, nnx.Param))
        # A classifier of images of particles at rest has no use for a spin head.
        if (same_head or path[0] != "head") and path[0] != "spin_look"
    ]
    nnx.update(target, nnx.from_flat_state(taken))


def _matching(source: Any, model: Classifier) -> tuple[Any, Any]:
    """The parts of an earlier network and of this one that do the same."""
    corners = isinstance(source, CornerClassifier)
    if not isinstance(model, CornerClassifier):
        return (source.reader.trunk if corners else source), model
    if corners:
        if source.question == model.question:
            nnx.update(model.head, nnx.state(source.head, nnx.Param))
        return source.reader, model.reader
    if isinstance(source, GroundTruthNetwork):
        return source.encoder, model.reader
    return source, model.reader.trunk


def _check_alike(target: Any, source: Any, name: str) -> bool:
    """Refuse weights of another architecture; tell whether the last layers are alike."""
    if type(source) is not type(target):
        kinds = [_KINDS.get(type(one), "a network of another kind") for one in (source, target)]
        raise ValueError(f"start_from is {name!r}: that is {kinds[0]}, expected {kinds[1]}")
    ours, theirs = (
        one.trunk.config if isinstance(one, ViewReader) else one.config for one in (target, source)
    )
    free = ("n_classes", "image_shape", "binning", "poses")
    differ = [
        key
        for key in ClassifierConfig.model_fields
        if key not in free and getattr(ours, key) != getattr(theirs, key)
    ]
    if differ:
        raise ValueError(
            f"start_from is {name!r}: that network has another {', '.join(differ)}, "
            "expected the same architecture"
        )
    return bool(theirs.n_classes == ours.n_classes)


def origin(name: str | None) -> dict[str, Any] | None:
    """Record of the network that a run started from, for its card."""
    if name is None:
        return None
    made = _earlier(name).card
    kept = ("command", "images_seen", "seconds")
    return {"name": name} | {key: made[key] for key in kept if key in made}
