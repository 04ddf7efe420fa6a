"""A measured number with its error bar, or the reason why it could not be told."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Estimate", "told", "untold"]


@dataclass(frozen=True)
class Estimate:
    """A number read off an image.

    Attributes
    ----------
    value : float or None
        In `unit`; None where it could not be told.
    error : float or None
        Half width of the 68 % interval, in `unit`; None where there is no value.
    unit : str
        "nm", "px", "e", "grey", "grey/e" or "" for a pure number.
    why_not : str
        Reason why there is no value; "" where there is one.

    Examples
    --------
    >>> print(Estimate(0.8312, 0.042, "nm"))
    0.831 ± 0.042 nm
    >>> print(untold("no particle was found"))
    could not be told: no particle was found
    """

    value: float | None
    error: float | None
    unit: str = ""
    why_not: str = ""

    @property
    def known(self) -> bool:
        """True if there is a value."""
        return self.value is not None

    @property
    def number(self) -> float:
        """The value.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self.value is None:
            raise ValueError(f"could not be told: {self.why_not}")
        return self.value

    @property
    def spread(self) -> float:
        """The error bar, 0 where there is none."""
        return 0.0 if self.error is None else self.error

    def times(self, factor: float, unit: str) -> Estimate:
        """The same in another unit.

        Examples
        --------
        >>> print(Estimate(4.0, 1.0, "px").times(0.5, "nm"))
        2 ± 0.5 nm
        """
        if self.value is None:
            return Estimate(None, None, unit, self.why_not)
        return Estimate(factor * self.value, abs(factor) * self.spread, unit)

    def __str__(self) -> str:
        if self.value is None:
            return f"could not be told: {self.why_not}"
        error = f" ± {self.error:.2g}" if self.error else ""
        return f"{self.value:.3g}{error} {self.unit}".rstrip()


def told(value: float, error: float, unit: str = "") -> Estimate:
    """An estimate with a value.

    Raises
    ------
    ValueError
        If one of the numbers is not finite or the error is negative.

    Examples
    --------
    >>> told(2.0, 0.1, "nm").known
    True
    """
    if not (math.isfinite(value) and math.isfinite(error) and error >= 0):
        raise ValueError(
            f"value, error: got {value} and {error}, expected finite numbers and an error of at "
            "least 0"
        )
    return Estimate(float(value), float(error), unit)


def untold(why_not: str, unit: str = "") -> Estimate:
    """An estimate without a value.

    Examples
    --------
    >>> untold("one particle").known
    False
    """
    return Estimate(None, None, unit, why_not)
