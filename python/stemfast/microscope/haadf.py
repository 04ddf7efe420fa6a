"""The angles that the annular dark-field detector collects."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from stemfast.microscope.settings import Positive, Settings


class Haadf(Settings):
    """The annular dark-field detector's collection angles.

    Parameters
    ----------
    inner_mrad, outer_mrad : float
        Inner and outer semi-angle [mrad].

    Raises
    ------
    ValueError
        If an angle is not positive and finite, the inner one is not the smaller, or a setting
        is unknown.

    Examples
    --------
    >>> Haadf(inner_mrad=80).outer_mrad
    200.0
    """

    inner_mrad: Positive = 60.0
    outer_mrad: Positive = 200.0

    @model_validator(mode="after")
    def _inner_is_smaller(self) -> Self:
        if self.inner_mrad >= self.outer_mrad:
            raise ValueError(
                f"expected inner_mrad < outer_mrad, got inner_mrad={self.inner_mrad:g} "
                f"and outer_mrad={self.outer_mrad:g}"
            )
        return self
