"""Folder of the user's cache, as the operating system has it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["user_cache"]


def user_cache(name: str) -> Path:
    """Folder of stemfast in the user's cache for things of this name; it may be missing.

    Parameters
    ----------
    name : str
        Such as "compiled".

    Examples
    --------
    >>> user_cache("compiled").parts[-2:]
    ('stemfast', 'compiled')
    """
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "stemfast" / name
