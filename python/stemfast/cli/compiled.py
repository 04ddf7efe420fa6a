"""Programs that JAX compiles, kept in the user's cache from one command to the next.

JAX has this cache; here it is given a folder, before JAX is loaded. JAX's own variables go first:
`JAX_COMPILATION_CACHE_DIR` names another folder, and `JAX_ENABLE_COMPILATION_CACHE=0` turns it off.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import stat
import warnings
from collections.abc import MutableMapping
from pathlib import Path

from stemfast.user_cache import user_cache

__all__ = ["keep_compiled"]

_FOLDER, _SWITCH = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
_OFF = ("0", "f", "false", "n", "no", "off")


def keep_compiled(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Tell JAX where to keep what it compiles, unless the user has said so.

    There is a folder for each version of stemfast and of JAX and each kind of processor, as a
    program that is compiled for one may use instructions that another lacks. What it holds is run,
    so it must belong to the user alone. Where there can be no such folder, nothing is kept.

    Parameters
    ----------
    environment : mapping of str to str
        Variables of the process, which are changed.

    Returns
    -------
    Path or None
        The folder, None where JAX was told nothing.
    """
    if environment.get(_FOLDER) or environment.get(_SWITCH, "1").lower() in _OFF:
        return None
    try:
        folder = user_cache("compiled") / _kind()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder):
            return None
    except (OSError, RuntimeError, importlib.metadata.PackageNotFoundError):
        return None
    environment[_FOLDER] = str(folder)
    for name, value in _SETTINGS.items():
        environment.setdefault(name, value)
    # A file that is damaged, or being written, costs time alone: JAX then compiles.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    return folder


def _kind() -> str:
    """Versions, and the processor's instructions."""
    versions = [importlib.metadata.version(name) for name in ("stemfast", "jax", "jaxlib")]
    digest = hashlib.sha256(_processor().encode()).hexdigest()[:12]
    return "-".join([*versions, digest])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    # x86 and ARM name what a processor can do in different words.
    able = sorted({line for line in lines if line.lower().startswith(("flags", "features"))})
    return "\n".join([platform.machine(), *(able or [platform.processor()])])


def _is_private(folder: Path) -> bool:
    """True if nobody else may write there."""
    if not hasattr(os, "getuid"):
        return True
    about = folder.stat()
    return about.st_uid == os.getuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
