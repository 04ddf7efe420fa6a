"""``stemfast info``: what is installed and what the core picked on this machine."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfast.cli.options import AsJson, say_results

if TYPE_CHECKING:
    from stemfast.simulation.stage_times import StageTimes

_PACKAGES = ("numpy", "scipy", "h5py", "jax", "flax", "scikit-image", "rosettasciio", "matplotlib")


def version() -> str:
    """Version of the installed package.

    Examples
    --------
    >>> version()[0].isdigit()
    True
    """
    return importlib.metadata.version("stemfast")


def info(
    bench: Annotated[
        bool,
        typer.Option("--bench", help="Also time the stages of an image here; some seconds."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Print versions, threads, and the instruction set that was picked for this processor.

    Example: [bold]stemfast info --bench[/bold]

    Paste its output into a bug report. STEMFAST_ISA=v2 (or v3, v4, on x86; plain elsewhere) picks
    another instruction set for one run.
    """
    from stemfast import _core

    rows: dict[str, Any] = {"stemfast": version(), "python": platform.python_version()}
    rows |= {name.replace("_", " "): _text(value) for name, value in _core.info().items()}
    for package in _PACKAGES:
        try:
            rows[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            rows[package] = "not installed"
    width = max(map(len, rows))
    text = "\n".join(f"{name:<{width}}  {said}" for name, said in rows.items())
    if not bench:
        say_results(rows, text, as_json=json)
        return
    typer.echo(text, err=json)
    found, lines = _stage_times()
    say_results(rows | asdict(found), "\n".join(lines), as_json=json)


def _stage_times() -> tuple[StageTimes, list[str]]:
    """Times of the stages of an image here, and the lines that tell them."""
    from stemfast import Beam, Cuboid, Film, Microscope, Probe, Truncation
    from stemfast.simulation import stage_times

    # The conditions of the project's own benchmark: 20 to 200 electrons in every pixel.
    particle = Cuboid((24, 20, 16), corners={7: Truncation(0.3)}, material="Cu")
    microscope = Microscope(
        beam=Beam(current_pa=92),
        probe=Probe(fwhm_nm=1.24),
        film=Film(thickness_nm=50, roughness_nm=1),
    )
    found = stage_times.measure(microscope, particle)
    shape = " x ".join(map(str, microscope.scan.shape))
    lines = ["", f"an image of {shape}, best of some seconds"]
    for name, time_us in (found.stages_us | {"all stages": found.image_us}).items():
        share = time_us / found.image_us
        lines.append(f"{name:<12}{time_us:>9.1f} us{share:>7.0%}")
    for name, time_us in (("one core", found.image_us), ("all cores", found.all_cores_us)):
        lines.append(f"{name:<12}{1e6 / time_us:>9,.0f} images/s")
    if found.stages_us["rest"] < -0.15 * found.image_us:
        lines.append(
            "note: the stages add up to more than the image, because the machine had other work "
            "meanwhile; run this again when it is quiet"
        )
    return found, lines


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
