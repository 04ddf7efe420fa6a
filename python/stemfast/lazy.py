"""Names of a package that are imported when they are first used (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

__all__ = ["loaded_when_used"]


def loaded_when_used(
    package: str, objects: Mapping[str, str], modules: Collection[str] = ()
) -> Callable[[str], Any]:
    """``__getattr__`` of a package some of whose names take long to import.

    Parameters
    ----------
    package : str
        Its dotted name.
    objects : mapping of str to str
        The module in the package that has each name.
    modules : collection of str
        Modules of the package that are names themselves.

    Examples
    --------
    >>> load = loaded_when_used("stemfast", {"HAADF": "nowhere"}, ["units"])
    >>> load("units").__name__
    'stemfast.units'
    >>> load("unit")
    Traceback (most recent call last):
        ...
    AttributeError: module 'stemfast' has no attribute 'unit'
    """

    def load(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name in objects:
            return getattr(import_module(f"{package}.{objects[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
