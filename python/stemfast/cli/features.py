"""``stemfast features``: a real micrograph in, corners, sizes and volumes of its particles out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.errors import as_options
from stemfast.cli.options import (
    AsJson,
    Contrast,
    DatasetChoice,
    File,
    Index,
    Labels,
    Method,
    PixelSize,
    ScaleBarOption,
    checked_search,
    say_results,
)


def features(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE.csv",
            help="The table. The picture goes beside it. Default: the file's name + -features.csv.",
        ),
    ] = None,
    pixel_size_nm: PixelSize = None,
    probe_fwhm_nm: Annotated[
        float | None,
        typer.Option(metavar="NM", help="Width of the probe. Default: read off the image."),
    ] = None,
    material: Annotated[
        str, typer.Option(metavar="NAME", help="What the particles are made of, for volumes.")
    ] = "Au",
    electrons_px: Annotated[
        float | None,
        typer.Option(metavar="N", help="Electrons arriving in each pixel; needed for volumes."),
    ] = None,
    gain: Annotated[float, typer.Option(metavar="G", help="Pixel value per electron.")] = 1.0,
    offset: Annotated[
        float, typer.Option(metavar="V", help="Pixel value without electrons.")
    ] = 0.0,
    energy_kev: Annotated[float, typer.Option(metavar="KEV", help="Energy of the beam.")] = 200.0,
    inner_mrad: Annotated[float, typer.Option(metavar="MRAD", help="Detector's inner edge.")] = 60,
    outer_mrad: Annotated[float, typer.Option(metavar="MRAD", help="Detector's outer edge.")] = 200,
    convergence_mrad: Annotated[
        float, typer.Option(metavar="MRAD", help="Half angle of the illumination.")
    ] = 20,
    scale_bar: ScaleBarOption = None,
    contrast: Contrast = "auto",
    method: Method = "auto",
    labels: Labels = None,
    index: Index = None,
    dataset: DatasetChoice = None,
    json: AsJson = False,
) -> None:
    """Measure the particles of a micrograph: outline, corners, edges, sizes and volume.

    Example: [bold]stemfast features particles.dm4 --out table.csv[/bold]

    Writes a table with one row per particle, and a picture beside it with the outlines (blue),
    edges (orange) and corners (yellow) drawn over the micrograph. Volumes need --electrons-px,
    --gain and --offset of the image.
    """
    from stemfast import describing, materials
    from stemfast.scattering import Collection

    bar_nm = checked_search(pixel_size_nm, scale_bar, contrast, method, labels)
    if not file.exists():
        raise ValueError(f"there is no file {file}")
    if out is not None and out.suffix != ".csv":
        raise ValueError(f"--out is {out}, expected a name that ends in .csv")
    calibration = None
    if electrons_px is not None:
        angles = Collection(energy_kev, inner_mrad, outer_mrad, convergence_mrad)
        calibration = describing.Calibration(
            curve=materials.get(material).scattering_curve(angles),
            electrons_px=electrons_px,
            gain=gain,
            offset=offset,
        )
    answer = describing.features(
        file,
        pixel_size_nm,
        contrast,
        method,
        calibration=calibration,
        scale_bar_nm=bar_nm,
        probe_fwhm_nm=probe_fwhm_nm,
        labels=labels,
        index=index,
        dataset=dataset,
    )
    target = Path(f"{file.stem}-features.csv") if out is None else out
    answer.save(target)
    words = [as_options(str(answer))]
    if calibration is None:
        words += ["no volumes: the image is not calibrated, give --electrons-px, --gain, --offset"]
    words += [f"table {target}, picture {target.with_suffix('.png')}"]
    say_results(answer.table, "\n".join(words), as_json=json)
