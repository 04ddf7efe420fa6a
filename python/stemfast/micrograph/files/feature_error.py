"""The one error that describing an image raises."""

from __future__ import annotations


class FeatureError(ValueError):
    """An image that cannot be described, and why: the message says what came and what was expected.

    Examples
    --------
    >>> issubclass(FeatureError, ValueError)
    True
    """
