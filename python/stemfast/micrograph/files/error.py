"""The one error that everything to do with a real micrograph raises."""

from __future__ import annotations


class MicrographError(ValueError):
    """A micrograph that cannot be read, calibrated or used, and why.

    The message names the file (or says "the image"), what came, and what was expected.

    Examples
    --------
    >>> issubclass(MicrographError, ValueError)
    True
    """


class NoScaleError(MicrographError):
    """A file without a usable pixel size, where none was given."""


class NothingFoundError(MicrographError):
    """An image in which no particle stands out."""
