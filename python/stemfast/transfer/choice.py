"""Backbones by name: those of Keras, our shipped networks, and networks in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stemfast import pretrained
from stemfast.transfer.architectures import ARCHITECTURES
from stemfast.transfer.backbone import Backbone
from stemfast.transfer.keras_backbone import KerasBackbone
from stemfast.transfer.own_backbone import OwnBackbone

__all__ = ["backbone", "restore"]


def backbone(name: str | Path, weights: str | Path | None = None) -> Backbone:
    """The backbone of this name.

    Parameters
    ----------
    name : str or Path
        ``inception-v3``, ``resnet50`` or ``efficientnet-b0``; or the folder of a network that
        :func:`stemfast.pretrained.save` wrote; or the name of a network that ships with stemfast.
    weights : str or Path, optional
        Of a Keras network: ``"imagenet"`` (if None), ``"random"``, or a file. Our own networks
        bring theirs.

    Returns
    -------
    Backbone

    Raises
    ------
    FileNotFoundError, OSError
        If a file or folder is not there, or weights cannot be downloaded.
    ValueError
        If there is no such backbone, or `weights` is given for one of ours.

    Examples
    --------
    >>> print(backbone("efficientnet-b0", "random"))
    efficientnet-b0 (RANDOM weights, seed 0, trained on nothing)
    """
    if str(name) in ARCHITECTURES:
        architecture = ARCHITECTURES[str(name)]
        return KerasBackbone(architecture, "imagenet" if weights is None else weights)
    if weights is not None:
        raise ValueError(
            f"weights is {str(weights)!r}, but the backbone {str(name)!r} is a network of "
            f"stemfast's own, which brings its weights; only {', '.join(ARCHITECTURES)} take them"
        )
    folder = Path(name)
    if folder.is_dir():
        return OwnBackbone(folder.resolve().name, pretrained.load(folder))
    shipped = pretrained.pretrained_names()
    if str(name) not in shipped:
        raise ValueError(
            f"backbone is {str(name)!r}, expected {', '.join((*ARCHITECTURES, *shipped))}, or the "
            "folder of a trained network"
        )
    return OwnBackbone(str(name), pretrained.load_pretrained(str(name)))


def restore(reference: dict[str, Any], folder: Path, weights: str | Path | None = None) -> Backbone:
    """The backbone that a saved model remembers.

    Parameters
    ----------
    reference : dict
        What :attr:`Backbone.reference` said.
    folder : Path
        Where a network of ours was copied to.
    weights : str or Path, optional
        File to take instead of the remembered one.
    """
    if reference["kind"] == "stemfast":
        if weights is not None:
            raise ValueError("weights is given, but this model's backbone lies beside it")
        return OwnBackbone(reference["name"], pretrained.load(folder))
    chosen = weights
    if chosen is None:
        chosen = reference["file"] if reference["weights"] == "file" else reference["weights"]
        if reference["weights"] == "file" and not Path(chosen).is_file():
            raise FileNotFoundError(
                f"the weights of this model's backbone were in {chosen}, where they no longer are: "
                "give the file as weights=..."
            )
    architecture = ARCHITECTURES[reference["name"]]
    return KerasBackbone(architecture, chosen, seed=reference["seed"])
