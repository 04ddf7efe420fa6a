"""Layers of napari: the viewer opened with them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, TypeAlias

from numpy.typing import NDArray

__all__ = ["Layer", "needed_napari", "show"]

#: Data, settings and kind, as napari's `Layer.create` takes them.
Layer: TypeAlias = tuple[NDArray[Any], dict[str, Any], str]


def needed_napari() -> None:
    """Refuse to begin where napari is not installed.

    Raises
    ------
    ValueError
        With what to install.
    """
    if find_spec("napari") is None:
        raise ValueError('napari is not installed: pip install "napari[all]"')


def show(layers: Sequence[Layer]) -> None:
    """Open napari with layers, and wait until its window is closed."""
    napari = importlib.import_module("napari")
    viewer = napari.Viewer()
    for layer in layers:
        viewer.add_layer(napari.layers.Layer.create(*layer))
    napari.run()
