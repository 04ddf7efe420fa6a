"""The answer as a table that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemfast.reconstruction.answer import NOT_EXPLAINED

if TYPE_CHECKING:
    from stemfast.reconstruction.answer import GroundTruth

__all__ = ["table"]


def table(answer: GroundTruth) -> str:
    """Everything that is known, one line each, then the images, then what is doubtful."""
    lines = _particle(answer) if answer.explained else _unexplained(answer)
    lines += ["", *_images(answer)]
    for title, notes in (("assumed", answer.assumptions), ("warning", answer.warnings)):
        lines += [f"{title}: {note}" for note in notes]
    return "\n".join(lines)


def _line(name: str, value: str, sure: str = "") -> str:
    return f"{name:<18}{value:<32}{sure}".rstrip()


def _particle(answer: GroundTruth) -> list[str]:
    lines = [_line("shape", answer.shape_class), _corners(answer)]
    if answer.count:
        lines.append(_line("which", answer.orbit, _percent(answer.orbit_probability)))
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
    hand = "" if answer.hand_probability is None else _percent(answer.hand_probability)
    lines.append(_line("handedness", answer.handedness, hand))
    lines.append(_line("misfit", f"{100 * answer.misfit:.1f} % of the signal", "explained"))
    return lines


def _corners(answer: GroundTruth) -> str:
    likely = answer.count_probabilities
    rivals = [
        f"{count}: {_percent(likely[count])}"
        for count in likely.argsort()[::-1][1:4].tolist()
        if likely[count] >= 0.01
    ]
    said = f"{answer.count} ({', '.join(rivals)})" if rivals else f"{answer.count}"
    return _line("deformed corners", said, _percent(float(likely[answer.count])))


def _unexplained(answer: GroundTruth) -> list[str]:
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


def _sorted_errors(answer: GroundTruth) -> list[float]:
    order = (-answer.edges_nm).argsort(kind="stable")
    return [float(sd) for sd in answer.edges_sd_nm[order]]


def _images(answer: GroundTruth) -> list[str]:
    network = any(image.attention is not None for image in answer.images)
    width = max(5, *(len(image.name) for image in answer.images))
    head = f"{'image':<{width}}  misfit  explained  weight" + ("  attention" if network else "")
    lines = [head]
    for image in answer.images:
        row = (
            f"{image.name:<{width}}  {100 * image.misfit:4.1f} %  "
            f"{'yes' if image.explained else 'NO':<9}  {100 * image.weight:4.0f} %"
        )
        if image.attention is not None:
            row += f"  {100 * image.attention:7.0f} %"
        lines.append(row)
    return [*lines, ""]


def _percent(probability: float) -> str:
    if probability > 0.999:
        return "> 99.9 %"
    return f"{100 * probability:.1f} %"
