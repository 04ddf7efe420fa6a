"""``stemfast info``: what is installed and what the core picked on this machine."""

from __future__ import annotations

import importlib.metadata
import platform

import typer

_PACKAGES = ("numpy", "scipy", "h5py", "jax", "flax", "scikit-image", "rosettasciio", "matplotlib")


def version() -> str:
    """Version of the installed package.

    Examples
    --------
    >>> version()[0].isdigit()
    True
    """
    return importlib.metadata.version("stemfast")


def info() -> None:
    """Print versions, threads, and the instruction set that was picked for this processor.

    Example: [bold]stemfast info[/bold]

    Paste its output into a bug report. STEMFAST_ISA=x86-64-v2 (or v3, v4, baseline) picks
    another instruction set for one run.
    """
    from stemfast import _core

    rows = {"stemfast": version(), "python": platform.python_version()}
    rows |= {name.replace("_", " "): _text(value) for name, value in _core.info().items()}
    for package in _PACKAGES:
        try:
            rows[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            rows[package] = "not installed"
    width = max(map(len, rows))
    for name, text in rows.items():
        typer.echo(f"{name:<{width}}  {text}")


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
