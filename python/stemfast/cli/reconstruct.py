"""``stemfast reconstruct``: several images of one particle in, the particle out."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.errors import stderr_is_terminal
from stemfast.cli.options import (
    AsJson,
    Contrast,
    DatasetChoice,
    Method,
    ScaleBarOption,
    checked_search,
    numbers,
    say_results,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def reconstruct(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="A tilt series, or several images of the same particle, 1 to 16 in all.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write JSON, picture and STL."),
    ] = None,
    pixel_size_nm: Annotated[
        float | None,
        typer.Option(metavar="NM", help="Pixel size, where the files do not say it or are wrong."),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="How many frames of a stack, evenly apart. Default: all, "
            "or 8 where there are more than 16.",
        ),
    ] = None,
    index: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Which frames of a stack, counted from 0; repeat it."),
    ] = None,
    dataset: DatasetChoice = None,
    scale_bar: ScaleBarOption = None,
    contrast: Contrast = "auto",
    method: Method = "auto",
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Label image in which the particle is known, such as labels.tif of stemfast find; "
            "once for each image, in order, or once with a stack of as many.",
        ),
    ] = None,
    tilt: Annotated[
        list[float] | None,
        typer.Option(
            metavar="DEG",
            help="Tilt of each image, in order; repeat it. Default: what the files say.",
        ),
    ] = None,
    tilt_axis_deg: Annotated[
        float | None,
        typer.Option(
            metavar="DEG",
            help="Direction of the tilt axis: 0 along x (right), 90 along y (down). "
            "Default: looked for in the images.",
        ),
    ] = None,
    tilt_sd_deg: Annotated[
        float, typer.Option(metavar="DEG", help="How far a tilt may be off, one sigma.")
    ] = 0.5,
    spin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,Z",
            help="How the particle turned during each frame, if it did: a vector along the axis, x "
            "right, y down, z along the beam, as long as the angle in degrees. Once for all images "
            "or once for each.",
        ),
    ] = None,
    no_tilts: Annotated[
        bool, typer.Option("--no-tilts", help="Take all poses as unknown, whatever files say.")
    ] = False,
    material: Annotated[
        str, typer.Option(metavar="NAME", help="What the particle is made of.")
    ] = "Au",
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What it may be: cuboid (with cut corners), auto (all), or a family such as "
            "octahedron; repeat it. Default: cuboid, and the others where it explains nothing.",
        ),
    ] = None,
    core: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Material of a core inside, or void: families are compared with it and without. "
            "--material is that of the shell.",
        ),
    ] = None,
    probe_fwhm_nm: Annotated[
        float | None,
        typer.Option(metavar="NM", help="Width of the probe. Default: read off the images."),
    ] = None,
    energy_kev: Annotated[
        float | None, typer.Option(metavar="KEV", help="Energy of the beam. Default: 200.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Reconstruct one particle from several images: size, deformed corners, handedness.

    Example: [bold]stemfast reconstruct tilts.dm3 --tilt-axis-deg 90 --out particle[/bold]

    The particle is found in each image as by stemfast find; of several, the largest is taken.
    Prints what it is with uncertainties, and how well it explains each image when it is simulated
    again. A particle that is of no family is called not explained. With
    --out it writes reconstruct.json, reconstruct.png and, if explained, particle.stl.
    """
    from stemfast import reconstruction as package
    from stemfast.reconstruction.write import check_folder

    if out is not None:
        check_folder(out)
    if no_tilts and tilt:
        raise ValueError("--tilt and --no-tilts: got both, expected one of them")
    three = "three numbers such as 0,35,0"
    spins = [numbers("--spin", one, float, three, count=3) for one in spin or []]
    bar_nm = checked_search(pixel_size_nm, scale_bar, contrast, method, labels)
    series = package.read_series(
        files,
        pixel_size_nm=pixel_size_nm,
        views=views,
        index=index or None,
        dataset=dataset,
        scale_bar_nm=bar_nm,
        contrast=contrast,
        method=method,
        labels=labels or None,
    )
    for note in series.notes:
        typer.echo(f"note: {note}", err=True)
    known = None if no_tilts else tilt or series.tilts_deg
    typer.echo(_tilts_used(known, "--tilt" if tilt else series.tilts_from), err=True)
    with _Told() as tell:
        answer = package.reconstruct(
            series.images,
            series.pixel_size_nm.tolist(),
            known,
            tilt_axis_deg=tilt_axis_deg,
            tilt_sd_deg=tilt_sd_deg,
            spin=spins[0] if len(spins) == 1 else spins or None,
            material=material,
            probe_fwhm_nm=probe_fwhm_nm,
            energy_kev=energy_kev or series.energy_kev,
            names=series.names,
            family=family[0] if family and len(family) == 1 else family,
            core=core,
            report=tell,
        )
    words = [str(answer)]
    if out is not None:
        words += [f"wrote {path}" for path in package.write_answer(out, answer)]
    say_results(answer.to_dict(), "\n".join(words), as_json=json)


def _tilts_used(tilts: Sequence[float] | NDArray[np.float64] | None, source: str) -> str:
    """The tilts that go into the reconstruction and where they stand."""
    if tilts is None:
        return "tilts: none used, all poses are looked for"
    return f"tilts: {', '.join(f'{one:g}' for one in tilts)} degrees, from {source}"


class _Told:
    """Progress on standard error: one line that changes, or one line each."""

    def __init__(self) -> None:
        self._live, self._start = stderr_is_terminal(), time.monotonic()

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def __call__(self, text: str) -> None:
        line = f"{time.monotonic() - self._start:6.1f} s  {text}"
        sys.stderr.write(f"\r\033[K{line}" if self._live else f"{line}\n")
        sys.stderr.flush()
