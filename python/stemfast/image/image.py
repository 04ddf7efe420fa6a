"""Images: NumPy arrays with a pixel size and a unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.arguments import length_nm
from stemfast.image.facts import Known, Scale, after, alike, from_to, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Image(np.ndarray[Any, np.dtype[Any]]):
    """An image, or a stack of images: a NumPy array that knows its pixel size and unit.

    It goes wherever an array goes. Slices, and images taken out of a stack, keep the pixel size;
    steps widen it. Arithmetic, copies and changes of type that leave the field as it is give an
    `Image`; sums over pixels, comparisons and other shapes give plain arrays. Adding, and scaling
    by numbers, keep the unit; other arithmetic leaves "arbitrary units".

    Parameters
    ----------
    pixels : (rows, columns) or (n, rows, columns) or (n, frames, rows, columns) array_like
        Real, finite numbers; row 0 is at the top. An array is kept, not copied.
    pixel_size_nm : float
        Side of a square pixel [nm].
    unit : str
        What pixel values count: "grey levels", "e-", "nm" …
    title : str
        What the image is called in files that have titles.
    metadata : mapping
        What else is to be kept with it, fit for JSON.

    Raises
    ------
    TypeError, ValueError
        If the pixels are not images of real, finite numbers, or the pixel size is not positive.

    Examples
    --------
    >>> image = Image(np.ones((3, 4), np.float32), 0.5, unit="nm", title="thickness")
    >>> image
    Image of 3 x 4 px of 0.5 nm, float32 [nm]
    >>> image.field_nm, image.sum(axis=0)
    ((1.5, 2.0), array([3., 3., 3., 3.], dtype=float32))
    >>> image[1:], image[::2, ::2]
    (Image of 2 x 4 px of 0.5 nm, float32 [nm], Image of 2 x 2 px of 1 nm, float32 [nm])
    >>> 2 * image, image**2
    (Image of 3 x 4 px of 0.5 nm, float32 [nm],
     Image of 3 x 4 px of 0.5 nm, float32 [arbitrary units])
    """

    _known: Known | None = None

    def __new__(
        cls,
        pixels: ArrayLike,
        pixel_size_nm: float,
        unit: str = "grey levels",
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Check the pixels and the facts, and view the pixels as an image."""
        array = np.asarray(pixels)
        if array.dtype.kind not in "uif":
            raise TypeError(f"pixels must be real numbers, got {array.dtype}")
        if not 2 <= array.ndim <= 4 or array.size == 0:
            raise ValueError(
                f"pixels has shape {array.shape}, expected (rows, columns), or a stack of images "
                "with one or two axes before those"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError("pixels holds numbers that are not finite")
        for name, text in (("unit", unit), ("title", title)):
            if not isinstance(text, str):
                raise TypeError(f"{name} must be a string, got {text!r}")
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                raise ValueError(f"{name} holds half a surrogate pair, expected text of Unicode")
        scale = Scale(length_nm("pixel_size_nm", pixel_size_nm), unit)
        return cls._of(array, Known((scale,), title, metadata))

    @classmethod
    def _of(cls, array: NDArray[Any], known: Known | None) -> Self:
        """View an array as images that these facts fit, unchecked."""
        image = array.view(cls)
        image._known = known
        return image

    def __array_finalize__(self, obj: Any) -> None:
        """Hand the facts on to a copy, a view or another type of the same field."""
        known = getattr(obj, "_known", None)
        if known is None or self.shape[-2:] != obj.shape[-2:] or self.dtype.kind not in "uif":
            return
        if known.fits(self.shape):
            self._known = known

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] = (), **options: Any
    ) -> Any:
        """Compute with plain arrays; the result is an image where it is one of the same field."""
        if out:
            options["out"] = tuple(_plain(one) for one in out)
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        if out:
            return out[0] if len(out) == 1 else out
        element_by_element = method == "__call__" and ufunc.signature is None
        if not element_by_element or not isinstance(result, np.ndarray):
            return result
        images = [one for one in inputs if isinstance(one, Image)]
        if result.dtype.kind not in "uif" or any(x.shape[-2:] != result.shape[-2:] for x in images):
            return result
        numerator = isinstance(inputs[0], Image)
        known = after(ufunc, [one._known for one in images], numerator=numerator)
        if known is None or not known.fits(result.shape):
            return result
        return type(self)._of(result, known)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """Let NumPy's functions have plain arrays."""
        return function(*_plain(args), **_plain(options))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Let what others make of it be plain arrays."""
        return array[()] if return_scalar else _plain(array)

    def __getitem__(self, key: Any) -> Any:
        """Part of it: an `Image` where the result is one of square pixels, else NumPy's answer."""
        part = self.pixels[key]
        kept = place(key, self.ndim)
        if self._known is None or kept is None or not part.size:
            return part
        first, step = kept
        scales = self._known.scales
        if len(scales) > 1:
            scales = alike(scales[first] if isinstance(first, slice) else (scales[first],))
        if step > 1:
            scales = tuple(replace(s, pixel_size_nm=step * s.pixel_size_nm) for s in scales)
        return type(self)._of(part, replace(self._known, scales=scales))

    def __reduce__(self) -> Any:
        known = self._known
        if known is not None and callable(known.metadata):
            known = replace(known, metadata=known.resolved())
        return type(self)._of, (self.pixels, known)

    def __repr__(self) -> str:
        if self._known is None:
            return repr(self.pixels)
        *stack, rows, columns = self.shape
        many = f"Stack of {' x '.join(map(str, stack))} images" if stack else "Image"
        sizes = from_to([scale.pixel_size_nm for scale in self._known.scales])
        units = " or ".join(sorted({scale.unit for scale in self._known.scales}))
        return f"{many} of {rows} x {columns} px of {sizes} nm, {self.dtype} [{units}]"

    __str__ = __repr__

    @property
    def pixels(self) -> NDArray[Any]:
        """The same pixels as a plain array."""
        return self.view(np.ndarray)

    @property
    def pixel_size_nm(self) -> float:
        """Side of a square pixel [nm].

        Raises
        ------
        ValueError
            If the images of a stack have different ones: take them one by one.
        """
        return float(self._only("pixel sizes [nm]", [s.pixel_size_nm for s in self._scales]))

    @property
    def unit(self) -> str:
        """Unit of the pixel values.

        Raises
        ------
        ValueError
            If the images of a stack have different ones: take them one by one.
        """
        return str(self._only("units", [scale.unit for scale in self._scales]))

    @property
    def title(self) -> str:
        """Title of the image, "" without one."""
        return "" if self._known is None else self._known.title

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Other facts about it, fit for JSON."""
        return {} if self._known is None else self._known.resolved()

    @property
    def field_nm(self) -> tuple[float, float]:
        """Height and width of the field [nm]."""
        rows, columns = self.shape[-2:]
        return rows * self.pixel_size_nm, columns * self.pixel_size_nm

    @property
    def extent_nm(self) -> tuple[float, float, float, float]:
        """Left, right, lower and upper edge [nm] from the centre: Matplotlib's `extent`."""
        height, width = self.field_nm
        return -0.5 * width, 0.5 * width, 0.5 * height, -0.5 * height

    @property
    def _scales(self) -> tuple[Scale, ...]:
        if self._known is None:
            raise ValueError(f"an array of shape {self.shape} without a pixel size is no image")
        return self._known.scales

    @staticmethod
    def _only(what: str, values: Sequence[Any]) -> Any:
        different = sorted(set(values))
        if len(different) > 1:
            raise ValueError(
                f"the images have different {what}, {different[0]} to {different[-1]}, expected "
                "one for a stack: take them one by one, with images[i]"
            )
        return different[0]

    def plot(self, axes: Axes | None = None, **options: Any) -> Axes:
        """Draw it in grey, with a scale bar.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to; by default those of a new figure.
        **options
            For Matplotlib's ``imshow``: ``cmap``, ``vmin``, ``vmax`` …

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If it is a stack.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> axes = Image(np.eye(40), 0.5).plot(Figure().add_subplot())
        >>> axes.texts[0].get_text()
        '5 nm'
        """
        from stemfast.image.picture import draw

        return draw(self, axes, options)

    def _repr_png_(self) -> bytes | None:
        from stemfast.image.picture import notebook_png

        return None if self._known is None else notebook_png(self)

    def to_hyperspy(self) -> Any:
        """HyperSpy's `Signal2D` of the same pixels, with scale, unit, title and metadata.

        Raises
        ------
        ModuleNotFoundError
            If HyperSpy is not installed.
        """
        from stemfast.image.exchange import to_hyperspy

        return to_hyperspy(self)

    def to_xarray(self) -> Any:
        """Xarray's `DataArray` of the same pixels, x and y in nm from the centre of the field.

        Dimensions are ``y`` and ``x``, of stacks ``image`` and ``frame`` before them. Unit, title
        and pixel size are among its attributes.

        Raises
        ------
        ModuleNotFoundError
            If xarray is not installed.
        """
        from stemfast.image.exchange import to_xarray

        return to_xarray(self)

    def save(self, path: str | Path) -> Path:
        """Write it to a file, whole or not at all.

        ===============  ==========================================================================
        ``.hspy``        HyperSpy's: values, scale, unit, title and metadata; stacks too
        ``.tif .tiff``   values, and the scale as ImageJ, DigitalMicrograph and HyperSpy read it;
                         the rest as JSON in tag 65000; stacks page by page
        ``.mrc``         values and scale, as tomography reads them; stacks too
        ``.npy``         the values alone; stacks too
        ``.png``         to look at: 8-bit grey from the image's minimum (0) to its maximum (255),
                         with the two values and the pixel size as text in the file; one image
        ===============  ==========================================================================

        Parameters
        ----------
        path : str or Path
            Its ending chooses the format. Its folder must exist; a file already there is replaced.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            If the ending is unknown, the folder does not exist, or a stack goes to ``.png``.
        ModuleNotFoundError
            If the format needs an extra that is not installed: ``pip install "stemfast[io]"``.

        Examples
        --------
        >>> import tempfile
        >>> ramp = Image(np.arange(80, dtype=np.uint16).reshape(8, 10), 0.5)
        >>> file = ramp.save(tempfile.mkdtemp() + "/ramp.npy")
        >>> int(np.load(file).max())
        79
        """
        from stemfast.image.files import write

        return write(path, self)


# NumPy's methods that change the shape or the meaning of the values give plain arrays.
_PLAIN_METHODS = (
    "argmax", "argmin", "argpartition", "argsort", "choose", "compress", "cumprod", "cumsum",
    "diagonal", "dot", "flatten", "nonzero", "ravel", "repeat", "reshape", "searchsorted",
    "squeeze", "swapaxes", "take", "trace", "transpose",
)  # fmt: skip


def _plain_method(name: str) -> Callable[..., Any]:
    plain = getattr(np.ndarray, name)

    def method(self: Image, *args: Any, **options: Any) -> Any:
        return plain(self.pixels, *args, **options)

    method.__name__, method.__doc__ = name, plain.__doc__
    return method


def _plain_attribute(name: str) -> Callable[[Image], Any]:
    return lambda image: getattr(image.pixels, name)


for _name in _PLAIN_METHODS:
    setattr(Image, _name, _plain_method(_name))
for _name in ("T", "mT", "flat"):
    if hasattr(np.ndarray, _name):  # mT came with NumPy 2
        setattr(Image, _name, property(_plain_attribute(_name)))


def _plain(value: Any) -> Any:
    """The same with plain arrays in place of images, also inside lists, tuples and dicts."""
    if isinstance(value, Image):
        return value.pixels
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if type(value) is dict:
        return {name: _plain(one) for name, one in value.items()}
    return value
