"""Images in the objects of other packages: HyperSpy's signals, xarray's arrays."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from stemfast.image.facts import Imaged

_STACK_AXES = ("image", "frame")
_SET_AXES = ("image", "view")  # of a data set: K views of one particle


def to_hyperspy(image: Imaged) -> Any:
    """HyperSpy's `Signal2D` of the same pixels: see `Image.to_hyperspy`."""
    from hyperspy.signals import Signal2D

    signal = as_signal(image, image.pixels, image.title)
    kept = ("data", "axes", "metadata", "original_metadata")
    return Signal2D(**{name: signal[name] for name in kept})


def to_xarray(image: Imaged) -> Any:
    """Xarray's `DataArray` of the same pixels: see `Image.to_xarray`."""
    import xarray

    size = image.pixel_size_nm
    dimensions = (*_STACK_AXES[: image.pixels.ndim - 2], "y", "x")
    in_nm = {
        name: (name, (np.arange(n) - 0.5 * (n - 1)) * size, {"units": "nm"})
        for name, n in zip("yx", image.pixels.shape[-2:], strict=True)
    }
    return xarray.DataArray(
        image.pixels,
        dims=dimensions,
        coords=in_nm,
        name=image.title or None,
        attrs={"units": image.unit, "pixel_size_nm": size, **image.metadata},
    )


def stack_signal(images: Any, pixel_size_nm: float, title: str) -> Any:
    """HyperSpy's `Signal2D` of a stack (N, H, W) or (N, K, H, W), lazy where it is Dask's."""
    from hyperspy.signals import Signal2D

    names = (*_SET_AXES[: images.ndim - 2], "y", "x")
    axes = [
        _axis(name, n, pixel_size_nm, number)
        for number, (name, n) in enumerate(zip(names, images.shape, strict=True))
    ]
    signal = Signal2D(images, axes=axes, metadata={"General": {"title": title}})
    return signal if isinstance(images, np.ndarray) else signal.as_lazy()


def as_signal(image: Imaged, data: Any, title: str) -> dict[str, Any]:
    """Put an image into the dictionary that RosettaSciIO's writers take."""
    names = (*_STACK_AXES[: data.ndim - 2], "y", "x")
    return {
        "data": data,
        "axes": [
            _axis(name, n, image.pixel_size_nm, number)
            for number, (name, n) in enumerate(zip(names, data.shape, strict=True))
        ],
        "metadata": {
            "General": {"title": title},
            "Signal": {"signal_type": "", "quantity": f"Intensity ({image.unit})"},
        },
        "original_metadata": {"stemfast": dict(image.metadata)},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "stemfast", "package_version": version("stemfast")},
        "tmp_parameters": {},
        "learning_results": {},
        "models": {},
    }


def _axis(name: str, size: int, pixel_size_nm: float, number: int) -> dict[str, Any]:
    in_image = name in "yx"
    return {
        "_type": "UniformDataAxis",
        "name": name,
        "units": "nm" if in_image else "",
        "size": size,
        "scale": pixel_size_nm if in_image else 1.0,
        # The origin is the centre of the scan, as it is for positions.
        "offset": -0.5 * (size - 1) * pixel_size_nm if in_image else 0.0,
        "navigate": not in_image,
        "is_binned": False,
        "index_in_array": number,
    }
