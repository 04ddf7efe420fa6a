"""Networks that name shapes: which there are, and the images that each is to be shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemfast.arguments import did_you_mean
from stemfast.untrusted import json_object

if TYPE_CHECKING:
    from stemfast.micrograph import FoundParticles, Micrograph
    from stemfast.pretrained import TrainedClassifier

__all__ = ["DEFAULT_MODEL", "classes_of", "known_model", "load_model", "model_folder", "shown"]

#: The network that comes along for this.
DEFAULT_MODEL = "open-shapes"
_CONFIG = "config.json"


def known_model(model: str | Path) -> None:
    """Refuse what is neither the name of a network nor its folder, before any work.

    Raises
    ------
    FileNotFoundError, ValueError
        Naming what there is.
    """
    from stemfast import pretrained

    names = pretrained.pretrained_names()
    if str(model) in names or (Path(model) / _CONFIG).is_file():
        return
    if isinstance(model, Path) or Path(model).is_dir() or os.sep in str(model):
        raise FileNotFoundError(f"model is {str(model)!r}, a folder without a trained network")
    raise ValueError(
        f"model is {model!r}, expected a network that comes along "
        f"({', '.join(names) or 'none are installed'}), or the folder of one: 'stemfast demo' "
        f"leaves one in demo/models/shapes{did_you_mean(model, names)}"
    )


def model_folder(model: str | Path) -> Path:
    """Folder of a known network, of one that comes along or of one given by its folder."""
    from stemfast.pretrained import shipped

    return Path(model) if (Path(model) / _CONFIG).is_file() else shipped.folder(str(model))


def classes_of(model: str | Path) -> tuple[str, ...]:
    """Class names of a known network, without loading it.

    Raises
    ------
    ValueError
        If it says none.

    Examples
    --------
    >>> classes_of("shapes")
    ('tetrahedron', 'cuboid', 'sphere')
    """
    config = model_folder(model) / _CONFIG
    names = json_object(config).get("class_names")
    if not isinstance(names, list) or not names:
        raise ValueError(f"{config} names no classes, expected a classifier's")
    return tuple(map(str, names))


def load_model(model: str | Path) -> TrainedClassifier:
    """The network of this name, or of this folder.

    Raises
    ------
    ValueError
        If it is not one for single images of particles.
    """
    from stemfast import pretrained

    if (Path(model) / _CONFIG).is_file():
        from stemfast import transfer

        if transfer.is_model(model):
            raise ValueError(
                f"model is {str(model)!r}, a network for ready images of particles (made by "
                "'stemfast train transfer'): cut them out and use 'stemfast predict'"
            )
        return pretrained.load(model)
    network: TrainedClassifier = pretrained.load_pretrained(str(model))
    return network


def shown(
    image: Micrograph, found: FoundParticles, network: TrainedClassifier
) -> tuple[NDArray[np.float32], list[str]]:
    """The particles as the network's own images show them, and what to tell of that.

    Parameters
    ----------
    image : Micrograph
    found : FoundParticles
        What was found in it.
    network : TrainedClassifier
        Its card says what it learnt from.

    Returns
    -------
    ndarray of float32, (N, H, W)
        Images that the network reads.
    list of str
        Notes for the user.
    """
    from stemfast import micrograph

    if network.reads_portraits:
        return micrograph.portraits(image, found), []
    size = network.model.config.image_shape[0]
    recipe = network.card.get("recipe")
    if not isinstance(recipe, dict):
        # The demo's networks learn from particles cut out and scaled to one size.
        return micrograph.crops(image, found, size=size), []
    learnt, field = recipe["particle"]["diameter_nm"], float(recipe["field_nm"])
    low, high = float(learnt[0]), float(learnt[1])
    least = float(recipe["imaging"]["signal_e_px"][0]) * (size / field) ** 2
    electrons = micrograph.electrons_nm2(image, found)
    widths = micrograph.widths_nm(
        found,
        field_nm=field,
        diameters_nm=(low, high),
        least_nm2=least,
        electrons_nm2=electrons,
    )
    notes = []
    sizes = np.array([particle.equivalent_diameter_nm for particle in found])
    other = np.count_nonzero((sizes < low) | (sizes > high))
    if other:
        notes.append(
            f"{other} of {len(found)} particles are beyond the {low:g} to {high:g} nm that the "
            "network learnt from; it sees them scaled into that range"
        )
    noisy = electrons < least
    if noisy.any():
        notes.append(
            f"{np.count_nonzero(noisy)} of {len(found)} particles are noisier than all that the "
            f"network learnt from: they show {np.median(electrons[noisy]):.3g} electrons/nm², it "
            f"learnt from {least:.3g} and more; it sees them smaller, which averages the noise"
        )
    return micrograph.views(image, found, size=size, field_nm=widths), notes
