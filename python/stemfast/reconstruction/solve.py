"""Reconstruction of a particle from images of it: networks propose, physics decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import materials
from stemfast.arguments import finite_number, positive_number
from stemfast.describing import FeatureError
from stemfast.fit.families.shape_family import ShapeFamily
from stemfast.fit.families.shipped import family_of
from stemfast.fit.one_thread import one_thread
from stemfast.image.taking import pixel_size_of, pixels_of
from stemfast.micrograph.files.calibration import checked
from stemfast.microscope import Microscope
from stemfast.reconstruction import network
from stemfast.reconstruction.answer import Reconstruction
from stemfast.reconstruction.families import (
    FamilyReconstruction,
    chosen_families,
    judge_families,
    summarise_family,
)
from stemfast.reconstruction.instrument import DOSE_SD, estimate, span
from stemfast.reconstruction.physics import judge
from stemfast.reconstruction.prepare import View, prepare
from stemfast.reconstruction.series import MOST_IMAGES
from stemfast.reconstruction.summary import Known, summarise
from stemfast.reconstruction.turns import SAME_DEG, checked_tilts, turns_between
from stemfast.simulation.motion import frame_spins

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["ground_truth", "reconstruct"]

Float: TypeAlias = NDArray[np.float64]

#: Families whose members a cuboid with cut corners may be, and is then told more of.
_CUBOIDS = ("cube", "cuboid", "truncated cube")
# Seen along one of its faces, a cuboid that is deeper and brighter by as much looks the same.
_ONE_DOSE = (
    "the dose is read off a single image: depths along the beam, and with them edges and volume, "
    "may be off by more than their error bars; give the microscope, or images at several tilts"
)


@one_thread
def reconstruct(
    images: ArrayLike | Sequence[ArrayLike],
    pixel_size_nm: float | Sequence[float] | None = None,
    tilts: ArrayLike | Rotation | None = None,
    *,
    tilt_axis_deg: float | None = None,
    tilt_sd_deg: float = 0.5,
    spin: ArrayLike | Sequence[ArrayLike | None] | None = None,
    microscope: Microscope | Sequence[Microscope] | None = None,
    material: str = "Au",
    probe_fwhm_nm: float | None = None,
    energy_kev: float | None = None,
    names: Sequence[str] | None = None,
    family: str | ShapeFamily | Sequence[str | ShapeFamily] | None = None,
    core: str | None = None,
    report: Callable[[str], None] | None = None,
) -> Reconstruction | FamilyReconstruction:
    """Estimate the particle that 1 to 16 images show: its size and corners, with error bars.

    Cuboids with cut corners come first; where none explains the images, the other families that
    come with stemfast are tried (`stemfast.fit.families`). A network, where one is installed, and
    the images propose; the images are then fitted together, sets of cut corners are compared, and
    the best is simulated again: what it leaves unexplained decides whether it is an answer at all.
    `ground_truth` is an older name of this function.

    Parameters
    ----------
    images : (K, rows, columns) array_like, or a sequence of K images, or one image
        1 to 16 images of the same particle, in any order.
    pixel_size_nm : float or (K,) array_like, optional
        Pixel size of all images, or of each [nm]; needed where the images do not say it, as
        `Image` and HyperSpy's signals do.
    tilts : (K,) array_like or Rotation, optional
        How far the stage was tilted in each image [degrees], or how the particle was turned in
        each since one pose that they share. Without, every pose is unknown, and so is the hand.
    tilt_axis_deg : float, optional
        Direction of the tilt axis in the images, 0 along x (right), 90 along y (down) [degrees];
        a positive tilt turns the right-handed way about it. Without, it is looked for in the
        images, and as its sense is then open nothing is known of the hand.
    tilt_sd_deg : float
        How far each tilt may be off, one standard deviation [degrees].
    spin : (3,) or (K, 3) array_like, optional
        How the particle turned while each image was scanned, where it did and that is known: a
        vector along the axis of the rotation, x right, y down, z along the beam, as long as the
        angle from the beginning to the end of the frame [degrees]; None for an image in which it
        rested. It tells the hand, even from one image. Rows are taken to be scanned from the top.
    microscope : Microscope or a sequence of K, optional
        What took the images. Without, dose, gain, film and probe are estimated from them.
    material : str
        What the particle is made of; it sets the scale along the beam.
    probe_fwhm_nm, energy_kev : float, optional
        Where known, if no microscope is given [nm], [keV].
    names : sequence of str, optional
        What to call the images.
    family : str or Family or sequence of these, optional
        "cuboid" for those with cut corners alone, "auto" for all families at once, the name of
        one, such as "truncated octahedron", a `stemfast.fit.families.family.Family`, or several
        that are compared.
    core : str, optional
        Material of a core that there may be, or "void" for a hollow particle: every family that is
        compared (all, if none is named) is so with it and without. `material` is that of the shell.
    report : callable, optional
        Told in words what is being done.

    Returns
    -------
    Reconstruction or FamilyReconstruction
        Of a cuboid with cut corners, or of another family: with areas by type of facet.
        Check `explained` and `warnings` first.

    Raises
    ------
    TypeError, ValueError
        If there are no images or too many, one is not finite or shows no particle, numbers of
        tilts, microscopes or names differ from that of the images, or something is out of range.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> particle = sf.Cuboid(edges=(16, 13, 10), corners={7: sf.Truncation(0.4)})
    >>> scope = sf.Microscope(scan=sf.Scan(shape=(72, 72), pixel_size_nm=0.4, dwell_us=10))
    >>> from stemfast.fit import Turns
    >>> poses = Turns.about_axis([-40, 0, 40]).rotations * Rotation.from_rotvec([0.5, 0.4, 0.3])
    >>> images = sf.simulate(particle, poses, scope, seed=1)
    >>> found = reconstruct(images, 0.4, [-40, 0, 40], tilt_axis_deg=0, microscope=scope)
    >>> found.explained, found.count, found.edges_nm.round().tolist()
    (True, 1, [16.0, 13.0, 10.0])
    """
    tell = report or (lambda text: None)
    pictures = _pictures(images)
    n = len(pictures)
    sizes = _sizes(_own_sizes(images, n) if pixel_size_nm is None else pixel_size_nm, n)
    called = _names(names, n)
    materials.get(material)
    angles = checked_tilts(tilts, n)
    positive_number("tilt_sd_deg", tilt_sd_deg)
    for name, value in (("probe_fwhm_nm", probe_fwhm_nm), ("energy_kev", energy_kev)):
        if value is not None:
            positive_number(name, value)
    if tilt_axis_deg is not None:
        finite_number("tilt_axis_deg", tilt_axis_deg)
        if angles is None:
            raise ValueError("tilt_axis_deg: got an axis, but no tilts; expected tilts as well")
    spins = frame_spins(spin, n)
    spinning = any(one is not None and one.any() for one in spins)
    if core is not None:
        families: list[ShapeFamily] | None = chosen_families(family or "auto", core, material)
    else:
        plain = family is None or family == "cuboid"
        families = None if plain else chosen_families(family, material=material)
    if families is not None and spinning:
        raise ValueError(
            "family, core: got a particle that spins, expected family='cuboid' and no core then"
        )
    given = _microscopes(microscope, pictures, sizes)
    tell("finding the particle in each image")
    views = [
        prepare(name, picture, size)
        for name, picture, size in zip(called, pictures, sizes.tolist(), strict=True)
    ]
    warnings = [warning for view in views for warning in view.warnings]
    turns, no_handedness = turns_between(views, angles, tilt_axis_deg, tilt_sd_deg, warnings)
    if any(one is not None and np.hypot(one[0], one[1]) > SAME_DEG for one in spins):
        no_handedness = ""
    assumptions: list[str] = []
    if given is None and n == 1:
        warnings.append(_ONE_DOSE)
    if given is None:
        scopes, assumptions = estimate(
            views, material=material, energy_kev=energy_kev, probe_fwhm_nm=probe_fwhm_nm
        )
    else:
        scopes = [view.microscope(scope) for view, scope in zip(views, given, strict=True)]
    case = _Case(
        views=views,
        scopes=scopes,
        rows=[len(picture) for picture in pictures],
        spins=spins,
        known=Known(
            material=material,
            turns=turns,
            no_handedness=no_handedness,
            calibrated=given is not None,
            alone=None,
            attention=None,
            assumptions=(*assumptions, *_turning(spins)),
            warnings=tuple(warnings),
        ),
        fit_probe=given is None and probe_fwhm_nm is None,
        tell=tell,
    )
    if families is None:
        cuboid, alone = _cuboid(case)
        # Of different particles, or of parts of one, no family is the answer.
        parts = not all(view.whole for view in views) or (alone is not None and all(alone))
        if cuboid.explained or spinning or parts or family is not None:
            return cuboid
        tell("no cuboid explains the images: trying other families")
        uncut = family_of("cuboid")
        others = [one for one in chosen_families("auto") if not uncut.holds(one)]
        other = _of_families(case, others)
        if other.explained:
            return other
        nearest = f"of other families {other.family} is the nearest, and does not explain them"
        return replace(cuboid, warnings=(*cuboid.warnings, nearest))
    found = _of_families(case, families)
    if core is not None or family != "auto" or (found.explained and found.family not in _CUBOIDS):
        return found
    cuboid, _ = _cuboid(case)
    return cuboid if cuboid.explained else found


@contextmanager
def _in_the_users_terms(case: _Case) -> Iterator[None]:
    """Errors about an estimated microscope or a fit that broke down, told as what they mean."""
    try:
        yield
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "images: the fit broke down, as it does where no particle is to be seen; "
            "expected images of one particle, whole and on film"
        ) from error
    except FeatureError as error:
        if case.known.calibrated:
            raise
        raise ValueError(
            f"images: brightness and noise of the particle agree with no microscope ({error}); "
            "expected images as a dark-field detector records them, whole and with film around "
            "the particle, or the settings (microscope)"
        ) from error


@dataclass(frozen=True, eq=False)
class _Case:
    """Images, made ready, and what is known of them."""

    views: list[View]
    scopes: list[Microscope]
    rows: list[int]
    spins: Sequence[Float | None]
    known: Known
    fit_probe: bool
    tell: Callable[[str], None]

    @property
    def dose_sd(self) -> float:
        return 0.0 if self.known.calibrated else DOSE_SD


def _with_probe(case: _Case, scopes: Sequence[Microscope]) -> tuple[str, ...]:
    """Assumptions, with the width of the probe where it was read off the images."""
    if not case.fit_probe:
        return case.known.assumptions
    widths = [scope.probe.fwhm_nm for scope in scopes]
    return (*case.known.assumptions, f"probe {span(widths)} nm wide, read off the images")


def _of_families(case: _Case, families: Sequence[ShapeFamily]) -> FamilyReconstruction:
    with _in_the_users_terms(case):
        found, scopes = judge_families(
            case.views,
            case.scopes,
            families,
            case.known,
            dose_sd=case.dose_sd,
            fit_probe=case.fit_probe,
            report=case.tell,
        )
    notes = _with_probe(case, scopes)
    if not case.known.calibrated:
        gains = [scope.detector.gain for scope in scopes]
        notes = (*notes, f"gain {span(gains)} per electron, read off the noise around the fit")
    known = replace(case.known, assumptions=notes)
    return summarise_family(case.views, found, known)


def _cuboid(case: _Case) -> tuple[Reconstruction, tuple[bool, ...] | None]:
    """The answer, and whether each image is explained alone where they are not together."""
    views, spins, turns = case.views, case.spins, case.known.turns
    case.tell("asking the network")
    proposal = network.ask(
        views,
        None if turns is None else turns.rotations,
        [
            None if one is None else one * view.joined / row
            for one, view, row in zip(spins, views, case.rows, strict=True)
        ],
    )
    with _in_the_users_terms(case):
        decision, alone = judge(
            views,
            case.scopes,
            material=case.known.material,
            turns=turns,
            turned=[
                None if one is None or not one.any() else view.turned(one, row)
                for one, view, row in zip(spins, views, case.rows, strict=True)
            ],
            dose_sd=case.dose_sd,
            fit_probe=case.fit_probe,
            proposal=proposal,
            report=case.tell,
        )
    known = replace(
        case.known,
        alone=alone,
        attention=None if proposal is None else proposal.share,
        assumptions=_with_probe(case, decision.microscopes),
    )
    return summarise(views, decision, known), alone


ground_truth = reconstruct
"""An older name of `reconstruct`."""


def _turning(spins: Sequence[Float | None]) -> list[str]:
    """Notes about the spins that were given."""
    turns = [float(np.linalg.norm(spin)) for spin in spins if spin is not None and spin.any()]
    if not turns:
        return []
    least, most = round(min(turns)), round(max(turns))
    words = f"{least}°" if least == most else f"{least}° to {most}°"
    return [f"the particle turned by {words} during the scan, as told"]


def _own_sizes(images: Any, n: int) -> list[float] | None:
    """Pixel sizes that the images say themselves [nm]; None where one says none."""
    together = [pixel_size_of(images)] if not isinstance(images, list | tuple) else []
    own = together * n if together else [pixel_size_of(image) for image in images]
    sizes = [size for size in own if size is not None]
    return sizes if len(sizes) == n else None


def _pictures(images: ArrayLike | Sequence[ArrayLike]) -> list[NDArray[Any]]:
    if hasattr(images, "axes_manager") or isinstance(images, np.ndarray):
        images = pixels_of(images)
        if images.ndim == 2:
            return [images]
        if images.ndim != 3:
            raise ValueError(
                f"images has shape {images.shape}, expected (K, rows, columns) or one image"
            )
    try:
        pictures = [pixels_of(image) for image in images]  # type: ignore[union-attr]
    except TypeError:
        raise TypeError(f"images: got {type(images).__name__}, expected images") from None
    if not pictures:
        raise ValueError("images: got none, expected 1 to 16 images of one particle")
    if len(pictures) > MOST_IMAGES:
        raise ValueError(
            f"images: got {len(pictures)}, expected at most {MOST_IMAGES}: choose some"
        )
    for k, picture in enumerate(pictures):
        if picture.ndim != 2:
            raise ValueError(f"images[{k}] has shape {picture.shape}, expected (rows, columns)")
        if picture.dtype.kind == "f" and not np.isfinite(picture).all():
            raise ValueError(f"images[{k}] holds NaN or infinity, expected finite numbers")
    return pictures


def _sizes(pixel_size_nm: object, n: int) -> Float:
    if pixel_size_nm is None:
        raise TypeError(
            "pixel_size_nm: got None, expected the size of the images' pixels in nm, or images "
            "that say it"
        )
    values = np.asarray(pixel_size_nm)
    if values.ndim == 0:
        return np.full(n, checked(values.item()))
    if values.shape != (n,):
        raise ValueError(
            f"pixel_size_nm: got {values.size} in shape {values.shape}, expected one number of nm "
            f"or {n}, one for each image"
        )
    return np.array([checked(value) for value in values.tolist()])


def _names(names: Sequence[str] | None, n: int) -> list[str]:
    if names is None:
        return [f"image {k}" for k in range(n)]
    called = [str(name) for name in names]
    if len(called) != n:
        raise ValueError(f"names: got {len(called)}, expected {n}, one for each image")
    return called


def _microscopes(
    microscope: Microscope | Sequence[Microscope] | None,
    pictures: Sequence[NDArray[Any]],
    sizes: Float,
) -> list[Microscope] | None:
    if microscope is None:
        return None
    scopes = [microscope] * len(pictures) if isinstance(microscope, Microscope) else [*microscope]
    if len(scopes) != len(pictures):
        raise ValueError(
            f"microscope: got {len(scopes)}, expected one or {len(pictures)}, one for each image"
        )
    for k, (scope, picture) in enumerate(zip(scopes, pictures, strict=True)):
        if not isinstance(scope, Microscope):
            raise TypeError(f"microscope[{k}] is {type(scope).__name__}, expected a Microscope")
        if scope.scan.shape != picture.shape:
            raise ValueError(
                f"microscope[{k}] scans {scope.scan.shape} pixels, expected {picture.shape}, the "
                "image's"
            )
        if abs(scope.scan.pixel_size_nm - sizes[k]) > 1e-6 * sizes[k]:
            raise ValueError(
                f"microscope[{k}] has pixels of {scope.scan.pixel_size_nm:g} nm, expected "
                f"pixel_size_nm, {sizes[k]:g} nm"
            )
    return scopes
