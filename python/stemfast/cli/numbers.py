"""Numbers separated by commas, as options take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["numbers"]

T = TypeVar("T", int, float)


def numbers(
    option: str, text: str, kind: Callable[[str], T], expected: str, *, count: int | None = None
) -> list[T]:
    """Read an option's numbers.

    Parameters
    ----------
    option, text : str
        Its name, and what was given.
    kind : int or float
    expected : str
        What is expected, for the error.
    count : int, optional
        How many there must be.

    Examples
    --------
    >>> numbers("--views", "1,2,4", int, "numbers such as 1,2,4,8")
    [1, 2, 4]
    """
    try:
        found = [kind(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or count not in (None, len(found)):
        raise ValueError(f"{option} is {text!r}, expected {expected}")
    return found
