"""``stemfast simulate``: one particle, one image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.particle import Shape

_PARTICLE, _MICROSCOPE = "Particle", "Microscope"


def simulate(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE",
            help="Image to write: .png to look at; .tif, .hspy, .mrc, .npy to keep.",
        ),
    ],
    shape: Annotated[
        str,
        typer.Option(metavar="NAME", rich_help_panel=_PARTICLE, help=", ".join(Shape) + "."),
    ] = Shape.CUBOID.value,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="NM[,NM,NM]",
            rich_help_panel=_PARTICLE,
            help="From side to side: cuboid: one or three edges; sphere: diameter; ellipsoid: "
            "three axes; prism: edge,height; others: edge. Default about 20 nm. (In Python, Sphere "
            "takes a radius and Ellipsoid semi-axes: half of these.)",
        ),
    ] = None,
    corner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CORNER:EDIT:HOW-MUCH",
            rich_help_panel=_PARTICLE,
            help="Deform a cuboid's corner, 0 to 7. 7:truncate:0.3 cuts 30 % off its three edges "
            "(0.2,0.3,0.4: unequally), 0:displace:2 pushes it 2 nm in (-2: out), 3:round:4 rounds "
            "it with a radius of 4 nm. Repeat for more corners.",
        ),
    ] = None,
    material: Annotated[
        str, typer.Option(metavar="FORMULA", rich_help_panel=_PARTICLE, help="Au, Pt, CeO2, ...")
    ] = "Au",
    turn: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS:DEGREES",
            rich_help_panel=_PARTICLE,
            help="Turn the particle about the image's x (right), y (down) or z (into the page), "
            "e.g. x:30. Repeat to turn further.",
        ),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", rich_help_panel=_PARTICLE, help="Turn it at random.")
    ] = False,
    pixels: Annotated[
        tuple[int, int],
        typer.Option(metavar="ROWS COLUMNS", rich_help_panel=_MICROSCOPE, help="Image size."),
    ] = (128, 128),
    pixel_size_nm: Annotated[
        float, typer.Option(metavar="NM", rich_help_panel=_MICROSCOPE, help="Pixel size.")
    ] = 0.35,
    dwell_us: Annotated[
        float, typer.Option(metavar="US", rich_help_panel=_MICROSCOPE, help="Time on each pixel.")
    ] = 4.0,
    current_pa: Annotated[
        float, typer.Option(metavar="PA", rich_help_panel=_MICROSCOPE, help="Beam current.")
    ] = 20.0,
    energy_kev: Annotated[
        float, typer.Option(metavar="KEV", rich_help_panel=_MICROSCOPE, help="Beam energy.")
    ] = 200.0,
    probe_nm: Annotated[
        float,
        typer.Option(
            metavar="NM",
            rich_help_panel=_MICROSCOPE,
            help="Full width of the probe at half maximum; 0 for none.",
        ),
    ] = 0.5,
    convergence_mrad: Annotated[
        float,
        typer.Option(
            metavar="MRAD", rich_help_panel=_MICROSCOPE, help="Half angle of the illumination."
        ),
    ] = 20.0,
    inner_mrad: Annotated[
        float,
        typer.Option(metavar="MRAD", rich_help_panel=_MICROSCOPE, help="Detector's inner angle."),
    ] = 60.0,
    outer_mrad: Annotated[
        float,
        typer.Option(metavar="MRAD", rich_help_panel=_MICROSCOPE, help="Detector's outer angle."),
    ] = 200.0,
    bright_field_mrad: Annotated[
        float | None,
        typer.Option(
            metavar="MRAD",
            rich_help_panel=_MICROSCOPE,
            help="Takes the bright-field image inside this angle, in place of the dark-field one.",
        ),
    ] = None,
    film_nm: Annotated[
        float,
        typer.Option(
            metavar="NM",
            rich_help_panel=_MICROSCOPE,
            help="Thickness of the carbon film; 0 for none.",
        ),
    ] = 5.0,
    contamination_nm: Annotated[
        float,
        typer.Option(
            "--contamination",
            metavar="NM",
            rich_help_panel=_PARTICLE,
            help="Thickness of the carbon that has grown on the particle; 0 for none.",
        ),
    ] = 0.0,
    support: Annotated[
        str | None,
        typer.Option(
            metavar="KIND:NM[:MATERIAL]",
            rich_help_panel=_PARTICLE,
            help="A support behind it: sphere:40:SiO2 is a ball of 40 nm, plate:15 a plate of "
            "carbon, 15 nm thick.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Same seed, same electrons and same random turn.")
    ] = 0,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Also write the thickness of each material, the electrons expected before noise, "
            "and when and where the beam stood.",
        ),
    ] = None,
) -> None:
    """Simulate one image of one particle.

    Example: [bold]stemfast simulate cube.png --corner 7:truncate:0.3 --turn x:30[/bold]

    Prints what it did: the particle, its volume, and the dose.
    """
    import stemfast as sf
    from stemfast.cli.particle import before_support, build, pose
    from stemfast.image import files as image_file

    image_file.check_path(out)
    if truth is not None:
        image_file.writable(truth, (".npz",))
    particle = build(Shape.of(shape), size, corner or (), material)
    if not contamination_nm >= 0.0:
        raise ValueError(f"--contamination is {contamination_nm:g}, expected 0 nm or more")
    if contamination_nm > 0.0:
        particle = sf.contaminated(particle, contamination_nm)
    microscope = sf.Microscope(
        scan=sf.Scan(shape=pixels, pixel_size_nm=pixel_size_nm, dwell_us=dwell_us),
        beam=sf.Beam(
            energy_kev=energy_kev, current_pa=current_pa, convergence_mrad=convergence_mrad
        ),
        probe=sf.Probe(fwhm_nm=probe_nm),
        haadf=sf.Haadf(inner_mrad=inner_mrad, outer_mrad=outer_mrad),
        bright_field=None
        if bright_field_mrad is None
        else sf.BrightField(outer_mrad=bright_field_mrad),
        film=sf.Film(thickness_nm=film_nm),
    )
    orientation = pose(turn or (), random, seed)
    height, width = microscope.scan.field_nm
    if support is None:
        taken = sf.simulate(particle, orientation, microscope, seed=seed, return_truth=True)
    else:
        specimen = before_support(particle, orientation, support, max(height, width))
        taken = sf.simulate(specimen, microscope=microscope, seed=seed, return_truth=True)
    taken.image().save(out)
    if truth is not None:
        taken.truth.save(truth)
    low, high = taken.images.min(), taken.images.max()
    written = out if truth is None else f"{out} and {truth}"
    typer.echo(
        f"{particle}, {particle.volume:.0f} nm³\n"
        f"{microscope.electrons_per_pixel:.0f} e⁻/px; pixel values {low} to {high}\n"
        f"wrote {written}"
    )
    if 2 * particle.bounding_radius > min(height, width):
        typer.echo(
            f"note: turned so that it is longest, the particle is wider than the field of "
            f"{width:g} x {height:g} nm; a larger --pixels or --pixel-size-nm shows all of it",
            err=True,
        )
