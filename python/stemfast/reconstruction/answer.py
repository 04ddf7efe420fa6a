"""The reconstruction of a particle from several images, with error bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit import CutCuboid
from stemfast.fit.families.shape_family import Placed

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.particles import Cuboid

__all__ = [
    "NOT_EXPLAINED",
    "SURE",
    "ImageFit",
    "Reconstruction",
    "closing_lines",
    "percent",
    "table",
]

Float: TypeAlias = NDArray[np.float64]

NOT_EXPLAINED = "not explained by this model"
#: Probability from which on a number of corners is told.
SURE = 0.9


@dataclass(frozen=True, eq=False)
class ImageFit:
    """Comparison of one image with the reconstruction.

    Attributes
    ----------
    name : str
        What the image is called.
    measured, expected : (rows, columns) float64
        Electrons counted in each pixel that was compared, and expected from the answer.
    noise : (rows, columns) float64
        Standard deviation of the count.
    pixel_size_nm : float
        Of these [nm].
    misfit : float
        Root mean square of what neither answer nor noise explains, as a share of the particle's
        signal.
    p_value : float
        Of so large a misfit, if the model were wrong by no more than is allowed for.
    explained : bool
        Whether the answer explains the image.
    shape : CutCuboid or Placed
        The answer as this image shows it: its pose, and its place in the whole image.
    pose_sd_deg : float
        Standard error of the pose [degrees].
    weight : float
        Share of the image in what all tell of the particle; they add up to 1.
    attention : float or None
        The network's share, where one answered.
    """

    name: str
    measured: Float = field(repr=False)
    expected: Float = field(repr=False)
    noise: Float = field(repr=False)
    pixel_size_nm: float
    misfit: float
    p_value: float
    explained: bool
    shape: CutCuboid | Placed = field(repr=False)
    pose_sd_deg: float
    weight: float
    attention: float | None = None

    @property
    def orientation(self) -> Rotation:
        """Orientation of the particle in this image."""
        return self.shape.orientation()

    def to_dict(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return {
            "name": self.name,
            "explained": self.explained,
            "misfit": self.misfit,
            "p_value": self.p_value,
            "orientation_xyzw": self.shape.quaternion.tolist(),
            "orientation_sd_deg": self.pose_sd_deg,
            "position_nm": self.shape.position_nm.tolist(),
            "weight": self.weight,
            "attention": self.attention,
        }


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Estimate of the particle that several images show.

    Error bars are standard errors, in attributes that end in `_sd` and a unit. Where `explained`
    is False, the shape is only the nearest of the family: do not use it.

    Attributes
    ----------
    explained : bool
        Whether a cuboid with cut corners explains the images.
    shape_class : str
        "cube", "cuboid, two edges alike" or "cuboid, all edges differ", as far as the error bars
        tell; or that it is not explained.
    particle : Cuboid
        The most likely particle, in its own axes.
    edges_nm, edges_sd_nm : (3,) float64
        Its edges and their standard errors [nm].
    cuts, cuts_sd : (8,) float64
        How far each corner is cut, as a fraction of its edges; 0 for whole ones.
    volume_nm3, volume_sd_nm3 : float
        Its volume [nm^3].
    count : int
        Number of deformed corners.
    count_probabilities : (9,) float64
        Of 0 to 8 deformed corners.
    orbit : str
        Which corners they are, up to turns of the cuboid, and to mirror images where the hand is
        not known.
    orbit_probability : float
        Of that.
    handedness : str
        The hand of the particle, or why it cannot be known.
    hand_probability : float or None
        Of that hand against the other, over all sets of corners that the images leave open; None
        where it is not known or the most probable particle is its own mirror image.
    images : tuple of ImageFit
        How each image fits.
    source : str
        Source of the proposal: "network" or "images".
    assumptions : tuple of str
        Assumptions, where settings were not given.
    warnings : tuple of str
        Doubts about the answer.
    """

    explained: bool
    shape_class: str
    particle: Cuboid
    edges_nm: Float
    edges_sd_nm: Float
    cuts: Float
    cuts_sd: Float
    volume_nm3: float
    volume_sd_nm3: float
    count: int
    count_probabilities: Float
    orbit: str
    orbit_probability: float
    handedness: str
    hand_probability: float | None
    images: tuple[ImageFit, ...] = field(repr=False)
    source: str = "images"
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """One line above the picture."""
        edges = " × ".join(f"{edge:.1f}" for edge in self.edges_nm)
        corners = "no corner" if self.count == 0 else f"{self.count} of 8 corners"
        return (
            f"{edges} nm, {self.volume_nm3:.0f} ± {self.volume_sd_nm3:.0f} nm³, {corners} deformed"
            f" ({100 * self.count_probabilities[self.count]:.0f} %)"
        )

    @property
    def possible_counts(self) -> tuple[int, ...]:
        """Numbers of deformed corners that the images leave open, the most probable first.

        One where it is more probable than 90 %; else the fewest that are so together.
        """
        order = self.count_probabilities.argsort(kind="stable")[::-1]
        together = self.count_probabilities[order].cumsum()
        return tuple(order[: 1 + int((together <= SURE).sum())].tolist())

    @property
    def misfit(self) -> float:
        """Root mean square misfit of all images, as a share of the particle's signal."""
        return float(np.sqrt(np.mean([image.misfit**2 for image in self.images])))

    def __str__(self) -> str:
        return table(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels, ready for JSON.

        Of a particle that is not explained there are no probabilities, and the shape is called
        "nearest" in place of "particle".
        """
        shape: Mapping[str, Any] = {
            "material": str(self.particle.material),
            "edges_nm": self.edges_nm.tolist(),
            "edges_sd_nm": self.edges_sd_nm.tolist(),
            "cuts": self.cuts.tolist(),
            "cuts_sd": self.cuts_sd.tolist(),
            "volume_nm3": self.volume_nm3,
            "volume_sd_nm3": self.volume_sd_nm3,
        }
        said: dict[str, Any] = {
            "explained": self.explained,
            "shape_class": self.shape_class,
            "misfit": self.misfit,
        }
        if self.explained:
            said |= {
                "particle": shape,
                "deformed_corners": self.count,
                "possible_counts": list(self.possible_counts),
                "count_probabilities": self.count_probabilities.tolist(),
                "orbit": self.orbit,
                "orbit_probability": self.orbit_probability,
                "handedness": self.handedness,
                "hand_probability": self.hand_probability,
            }
        else:
            said["nearest"] = shape
        return said | {
            "proposed_by": self.source,
            "images": [image.to_dict() for image in self.images],
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
        }


def table(answer: Reconstruction) -> str:
    """Text table: a line for each result, then the images, then assumptions and warnings."""
    lines = _particle(answer) if answer.explained else _unexplained(answer)
    return "\n".join([*lines, *closing_lines(answer.images, answer.assumptions, answer.warnings)])


def _line(name: str, value: str, sure: str = "") -> str:
    return f"{name:<18}{value:<32}{sure}".rstrip()


def _particle(answer: Reconstruction) -> list[str]:
    lines = [_line("shape", answer.shape_class), _corners(answer)]
    if answer.count:
        lines.append(_line("which", answer.orbit, percent(answer.orbit_probability)))
    for name, edge, sd in zip(
        "abc", sorted(answer.edges_nm, reverse=True), _sorted_errors(answer), strict=True
    ):
        lines.append(_line(f"edge {name}", f"{edge:.2f} ± {sd:.2f} nm"))
    volume = f"{answer.volume_nm3:.0f} ± {answer.volume_sd_nm3:.0f} nm³"
    lines.append(_line("volume", volume))
    shortest = float(answer.edges_nm.min())
    for corner in answer.cuts.nonzero()[0].tolist():
        cut, sd = answer.cuts[corner], answer.cuts_sd[corner]
        depth = f"{cut:.3f} ± {sd:.3f} of its edges"
        lines.append(_line(f"cut of corner {corner}", depth, f"{cut * shortest:.2f} nm"))
    hand = "" if answer.hand_probability is None else percent(answer.hand_probability)
    lines.append(_line("handedness", answer.handedness, hand))
    lines.append(_line("misfit", f"{100 * answer.misfit:.1f} % of the signal", "explained"))
    return lines


def _corners(answer: Reconstruction) -> str:
    likely, possible = answer.count_probabilities, answer.possible_counts
    if len(possible) > 1:
        *first, last = sorted(possible)
        said = f"cannot be told: {', '.join(map(str, first))} or {last}"
        sure = ", ".join(f"{count}: {percent(likely[count])}" for count in possible)
        return _line("deformed corners", said, sure)
    rivals = [
        f"{count}: {percent(likely[count])}"
        for count in likely.argsort()[::-1][1:4].tolist()
        if likely[count] >= 0.01
    ]
    said = f"{answer.count} ({', '.join(rivals)})" if rivals else f"{answer.count}"
    return _line("deformed corners", said, percent(float(likely[answer.count])))


def _unexplained(answer: Reconstruction) -> list[str]:
    lines = [
        NOT_EXPLAINED.upper(),
        f"No cuboid with cut corners explains these images: {100 * answer.misfit:.0f} % of the "
        "signal is left over,",
        "more than the noise and the microscope's imperfections account for.",
    ]
    a, b, c = sorted(answer.edges_nm, reverse=True)
    lines.append(
        f"(The nearest of the family: {a:.3g} × {b:.3g} × {c:.3g} nm, {answer.count} corners cut. "
        "Do not believe it.)"
    )
    return lines


def _sorted_errors(answer: Reconstruction) -> list[float]:
    order = (-answer.edges_nm).argsort(kind="stable")
    return [float(sd) for sd in answer.edges_sd_nm[order]]


def closing_lines(
    images: Sequence[ImageFit], assumptions: Sequence[str], warnings: Sequence[str]
) -> list[str]:
    """End of the text table: the images, then assumptions and warnings."""
    lines = ["", *_image_lines(images)]
    lines += [f"assumed: {note}" for note in assumptions]
    return lines + [f"warning: {note}" for note in warnings]


def _image_lines(images: Sequence[ImageFit]) -> list[str]:
    """Table of the images: misfit, verdict, weight and attention of each."""
    network = any(image.attention is not None for image in images)
    width = max(5, *(len(image.name) for image in images))
    head = f"{'image':<{width}}  misfit  explained  weight" + ("  attention" if network else "")
    lines = [head]
    for image in images:
        row = (
            f"{image.name:<{width}}  {100 * image.misfit:4.1f} %  "
            f"{'yes' if image.explained else 'NO':<9}  {100 * image.weight:4.0f} %"
        )
        if image.attention is not None:
            row += f"  {100 * image.attention:7.0f} %"
        lines.append(row)
    return [*lines, ""]


def percent(probability: float) -> str:
    """Probability in words of a table."""
    if probability > 0.999:
        return "> 99.9 %"
    return f"{100 * probability:.1f} %"
