"""Checks of arguments that several entry points share, with the messages they give."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector: TypeAlias = tuple[float, float, float]

#: Largest magnitude of any number, so that products of a few stay far from infinity.
LARGEST = 1e18
#: Lengths of particles, pixels and positions: from a millionth of a nanometre to a metre [nm].
SHORTEST_NM, LONGEST_NM = 1e-6, 1e9

_MEMORY_FILE = Path("/proc/meminfo")
_NOT_ASKED_FOR = 2**24  # bytes: asking the system takes longer than the core takes for an image


def index(name: str, value: object, *, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
    """Return a whole number within limits.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> index("n_threads", np.int32(2))
    2
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if not minimum <= number <= maximum:
        raise ValueError(f"{name} must be from {minimum} to {maximum}, got {number}")
    return number


def seed_value(value: object) -> int:
    """Return a seed, 0 … 2^64 − 1.

    Examples
    --------
    >>> seed_value(7)
    7
    """
    return index("seed", value, maximum=2**64 - 1)


def finite_number(name: str, value: object) -> float:
    """Return `value` as a float; refuses booleans, anything not a number, NaN and infinity.

    Raises
    ------
    TypeError, ValueError
        If it is not a number, not finite, or larger than 1e18 in magnitude.

    Examples
    --------
    >>> finite_number("offset", 3)
    3.0
    """
    number = _finite(name, value)
    if abs(number) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST:g} in magnitude, got {number:g}")
    return number


def _finite(name: str, value: object) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number!r}")
    return number


def positive_number(name: str, value: object) -> float:
    """Return `value` as a finite float larger than zero.

    Raises
    ------
    TypeError, ValueError
        If it is not.

    Examples
    --------
    >>> positive_number("voxel_size_nm", 0.25)
    0.25
    """
    number = finite_number(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be larger than 0, got {number:g}")
    if number < 1 / LARGEST:
        raise ValueError(f"{name} must be at least {1 / LARGEST:g}, got {number:g}")
    return number


def length_nm(name: str, value: object) -> float:
    """Return `value` as a length from 1e-6 to 1e9 nm.

    Raises
    ------
    TypeError, ValueError
        If it is not one.

    Examples
    --------
    >>> length_nm("radius", 1e150)
    Traceback (most recent call last):
        ...
    ValueError: radius must be from 1e-06 to 1e+09 nm, got 1e+150
    """
    number = _finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be larger than 0, got {number:g}")
    if not SHORTEST_NM <= number <= LONGEST_NM:
        raise ValueError(
            f"{name} must be from {SHORTEST_NM:g} to {LONGEST_NM:g} nm, got {number:g}"
        )
    return number


def coordinate_nm(name: str, value: object) -> float:
    """Return `value` as a position or shift of at most 1e9 nm either way.

    Raises
    ------
    TypeError, ValueError
        If it is not one.

    Examples
    --------
    >>> coordinate_nm("nm", -2)
    -2.0
    """
    number = _finite(name, value)
    if abs(number) > LONGEST_NM:
        raise ValueError(f"{name} must be from -1e9 to 1e9 nm, got {number:g}")
    return number


def three_numbers(name: str, value: object, meaning: str) -> Vector:
    """Return `value` as three finite floats; `meaning` says what the three are.

    Raises
    ------
    TypeError, ValueError
        If it is not three finite numbers.

    Examples
    --------
    >>> three_numbers("edges", [3, 2, 1], "a, b, c [nm]")
    (3.0, 2.0, 1.0)
    """
    if isinstance(value, str) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(f"{name} must be three numbers {meaning}, got {value!r}")
    if len(value) != 3:
        raise ValueError(f"{name} must be three numbers {meaning}, got {len(value)}: {value!r}")
    x, y, z = (finite_number(f"{name}[{i}]", item) for i, item in enumerate(value))
    return x, y, z


def _each(name: str, numbers: Vector, check: Callable[[str, object], float]) -> Vector:
    """Three numbers, each of which has passed a check under its own name."""
    for i, number in enumerate(numbers):
        check(f"{name}[{i}]", number)
    return numbers


def three_coordinates(name: str, value: object, meaning: str) -> Vector:
    """Return `value` as three positions or shifts of at most 1e9 nm either way.

    Raises
    ------
    TypeError, ValueError
        If it is not.

    Examples
    --------
    >>> three_coordinates("offset_nm", (3, -2, 1), "(x, y, z) [nm]")
    (3.0, -2.0, 1.0)
    """
    return _each(name, three_numbers(name, value, meaning), coordinate_nm)


def three_lengths(name: str, value: object, meaning: str) -> Vector:
    """Return `value` as three lengths from 1e-6 to 1e9 nm.

    Raises
    ------
    TypeError, ValueError
        If it is not.

    Examples
    --------
    >>> three_lengths("edges", (3, 2, 1), "(x, y, z) [nm]")
    (3.0, 2.0, 1.0)
    """
    return _each(name, three_numbers(name, value, meaning), length_nm)


def three_positive(name: str, value: object, meaning: str) -> Vector:
    """Return `value` as three finite floats larger than zero.

    Raises
    ------
    TypeError, ValueError
        If it is not.

    Examples
    --------
    >>> three_positive("edges", (3, 2, 1), "a, b, c [nm]")
    (3.0, 2.0, 1.0)
    """
    return _each(name, three_numbers(name, value, meaning), positive_number)


def vectors(name: str, value: ArrayLike | None, unit: str) -> NDArray[np.float64]:
    """Return one or many 3-vectors as (n, 3); None is the zero vector.

    Raises
    ------
    TypeError
        If it does not hold numbers.
    ValueError
        If the shape is wrong or a number is not finite.

    Examples
    --------
    >>> vectors("positions_nm", (1, 2, 3), "nm").shape
    (1, 3)
    """
    if value is None:
        return np.zeros((1, 3))
    try:
        array = np.atleast_2d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must hold numbers [{unit}], got {value!r}") from None
    if array.ndim != 2 or array.shape[1] != 3 or len(array) == 0:
        raise ValueError(
            f"{name} has shape {np.shape(value)}, expected (3,) or (n, 3): x, y, z [{unit}]"
        )
    require_memory(array.size * 8 * 2, f"{name} of {len(array)} rows")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite [{unit}]")
    if (largest := float(np.abs(array).max())) > (limit := LONGEST_NM if unit == "nm" else LARGEST):
        raise ValueError(f"{name} holds {largest:g}, expected at most {limit:g} {unit}")
    return np.ascontiguousarray(array)


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of the names.

    Raises
    ------
    ValueError
        If it is not; says which name is nearest.

    Examples
    --------
    >>> one_of("engine", "exact", ("exact", "voxel"))
    'exact'
    >>> one_of("engine", "exakt", ("exact", "voxel"))
    Traceback (most recent call last):
        ...
    ValueError: engine must be 'exact' or 'voxel', got 'exakt': did you mean exact?
    """
    if not isinstance(value, str) or value not in choices:
        listed = " or ".join(map(repr, choices))
        raise ValueError(f"{name} must be {listed}, got {value!r}{did_you_mean(value, choices)}")
    return value


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """The nearest of some words as the end of a message; "" where none is near.

    Examples
    --------
    >>> did_you_mean("brigt", ("bright", "dark")), did_you_mean("x", ("bright", "dark"))
    (': did you mean bright?', '')
    """
    near = difflib.get_close_matches(str(value), list(choices), n=1)
    return f": did you mean {near[0]}?" if near else ""


def output_array(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return the array to write to: the caller's, once it is found to fit, or a new one.

    Raises
    ------
    TypeError
        If `out` is no array.
    ValueError
        If `out` has another shape or dtype, is not contiguous, or is read-only.
    MemoryError
        If a new array would not fit into the machine's free memory; says how much it needs.

    Examples
    --------
    >>> output_array(None, (2, 3), np.dtype("uint8")).shape
    (2, 3)
    """
    if out is None:
        require_memory(math.prod(shape) * dtype.itemsize, f"an array of {shape}")
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, expected {shape}")
    if out.dtype != dtype:
        raise ValueError(f"out has dtype {out.dtype}, expected {dtype}")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise ValueError("out must be C-contiguous and aligned")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    return out


def free_memory() -> int | None:
    """Bytes of memory that can be had without swapping; None where the system does not say.

    Examples
    --------
    >>> free_memory() is None or free_memory() > 0
    True
    """
    try:
        with _MEMORY_FILE.open("rb") as lines:
            for line in lines:
                if line.startswith(b"MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def require_memory(n_bytes: int, what: str) -> None:
    """Refuse work that needs more memory than is free; 16 MiB are taken to be there.

    Raises
    ------
    MemoryError
        If `n_bytes` exceeds the free memory.

    Examples
    --------
    >>> require_memory(1000, "a small array")
    """
    free = free_memory() if n_bytes > _NOT_ASKED_FOR else None
    if free is not None and n_bytes > free:
        raise MemoryError(
            f"{what} needs {n_bytes / 1e9:,.1f} GB, but {free / 1e9:.1f} GB are free: "
            "take fewer images at a time, or a smaller field"
        )
