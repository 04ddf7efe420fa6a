"""The numbers and the figure of abtem_comparison.py, from the arrays that it has kept."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

import abtem_comparison as comparison
from abtem_comparison import Array, unexplained
from stemfast.scattering import Collection, cross_section_nm2

FIGURE: Final = comparison.RESULTS.parent / "images" / "abtem.png"
TABLE_NM: Final = (2, 5, 10, 20, 30, 40)
ILLUMINATION: Final = {"parallel": 0.0, "cone": comparison.CONVERGENCE_MRAD}
LIGHT: Final = {"parallel": "parallel", "cone": "20 mrad"}
#: Thinner slabs hold too few atoms to say much.
FROM_NM: Final = 5
COLOURS: Final = {
    "C": "#555555",
    "Si": "#009e73",
    "Cu": "#d55e00",
    "Ag": "#56b4e9",
    "Au": "#e69f00",
}


def load(name: str) -> dict[str, Any]:
    """Arrays that a step has kept."""
    with np.load(comparison.RESULTS / f"{name}.npz") as kept:
        return dict(kept)


def arrangements(kept: dict[str, Any], element: str, energy: int) -> list[str]:
    """Names of the slabs of an element at an energy."""
    names = [name.removesuffix("_thickness_nm") for name in kept if name.endswith("_thickness_nm")]
    return [name for name in names if name.startswith(f"{element}_{energy}_")]


def ratios(kept: dict[str, Any], element: str, energy: int, detector: int, light: str) -> Array:
    """stemfast over multislice at every plane but the first, the mean over arrangements."""
    found = []
    for name in arrangements(kept, element, energy):
        depth, truth = kept[f"{name}_thickness_nm"][1:], kept[f"{name}_{light}"][detector, 1:]
        cone = ILLUMINATION[light]
        found.append(comparison.ours(element, energy, detector, cone, depth) / truth)
    return np.asarray(np.mean(found, axis=0))


def old_over_multislice(kept: dict[str, Any], element: str, light: str) -> Array:
    """The same of 1 − exp(−t/Λ) with screened Rutherford."""
    found = []
    per_nm = comparison.per_nm3(element) * comparison.rutherford_nm2(element)
    for name in arrangements(kept, element, 200):
        depth, truth = kept[f"{name}_thickness_nm"][1:], kept[f"{name}_{light}"][0, 1:]
        found.append(-np.expm1(-per_nm * depth) / truth)
    return np.asarray(np.mean(found, axis=0))


def print_atom() -> None:
    """Cross-sections of one atom, relative to screened Rutherford."""
    kept = load("atom")
    parallel = Collection(comparison.ENERGY_KEV, *comparison.DETECTOR_MRAD, 0.0)
    print("| | screened Rutherford [nm²] | Born, Lobato | stemfast | abTEM: step | /2 | /4 |")
    print("|---|---|---|---|---|---|---|")
    for i, element in enumerate(kept["elements"]):
        measure = kept["rutherford_nm2"][i]
        z = comparison.materials.ELEMENTS[str(element)][0]
        others = [kept["lobato_nm2"][i], cross_section_nm2(z, parallel), *kept["abtem_nm2"][i]]
        row = " | ".join(f"{other / measure:.3f}" for other in others)
        print(f"| {element} | {measure:.3e} | {row} |")


def print_slabs() -> None:
    """stemfast over multislice against thickness in the cone at 200 keV, and the old model."""
    kept = load("slabs")
    print("| | " + " | ".join(f"{t} nm" for t in TABLE_NM) + " |")
    print("|---" * (1 + len(TABLE_NM)) + "|")
    for element in comparison.ELEMENTS:
        rows = {
            element: ratios(kept, element, 200, 0, "cone"),
            f"{element}, old model": old_over_multislice(kept, element, "cone"),
        }
        for name, found in rows.items():
            print(f"| {name} | " + " | ".join(f"{found[t - 1]:.2f}" for t in TABLE_NM) + " |")


def print_others() -> None:
    """Mean and worst of all planes from 5 nm on, for every energy, detector and beam."""
    kept = load("slabs")
    columns = [
        (detector, light)
        for detector in range(len(comparison.DETECTORS_MRAD))
        for light in ILLUMINATION
        if comparison.DETECTORS_MRAD[detector][0] > 0.0 or light == "cone"
    ]
    names = [
        "{:.0f}–{:.0f}, {}".format(*comparison.DETECTORS_MRAD[d], LIGHT[c]) for d, c in columns
    ]
    print("| | " + " | ".join(names) + " |")
    print("|---" * (1 + len(names)) + "|")
    for element, energy in dict.fromkeys(tuple(name.split("_")[:2]) for name in kept):
        cells = []
        for detector, light in columns:
            found = ratios(kept, element, int(energy), detector, light)[FROM_NM - 1 :]
            cells.append(f"{found.mean():.3f}, {100 * np.abs(found - 1).max():.1f} %")
        print(f"| {element}, {energy} keV | " + " | ".join(cells) + " |")


def beyond(
    kept: dict[str, Any], share: float = 0.05
) -> list[tuple[str, int, int, str, int, float]]:
    """Where a dark field is off by more than a share.

    Element, energy [keV], detector, illumination, thickness [nm] and ratio to multislice.
    """
    found = []
    for element, energy in dict.fromkeys(tuple(name.split("_")[:2]) for name in kept):
        for detector in (0, 1):
            for light in ILLUMINATION:
                ratio = ratios(kept, element, int(energy), detector, light)
                for k in np.flatnonzero(np.abs(ratio - 1.0) > share).tolist():
                    found.append((element, int(energy), detector, light, k + 1, float(ratio[k])))
    return found


def print_beyond() -> None:
    """Where it is not within 5 %, and how far arrangements of the atoms are from their mean."""
    kept = load("slabs")
    for element, energy, detector, light, nm, ratio in beyond(kept):
        edges = "{:.0f}–{:.0f} mrad".format(*comparison.DETECTORS_MRAD[detector])
        print(f"{element}, {energy} keV, {edges}, {LIGHT[light]}, {nm} nm: {ratio:.3f}")
    apart = []
    for element, energy in dict.fromkeys(tuple(name.split("_")[:2]) for name in kept):
        names = arrangements(kept, element, int(energy))
        for light in ILLUMINATION:
            each = np.array(
                [kept[f"{n}_{light}"][:2, 1:] / kept[f"{n}_thickness_nm"][1:] for n in names]
            )
            apart.append(each.std(axis=0, ddof=1) / each.mean(axis=0) / math.sqrt(len(each)))
    for name, planes in (("below", slice(FROM_NM - 1)), ("from", slice(FROM_NM - 1, None))):
        part = 100 * np.concatenate(apart)[:, planes]
        print(
            f"standard error of the mean over arrangements, {name} {FROM_NM} nm: "
            f"{np.sqrt(np.mean(part**2)):.1f} %, at most {part.max():.1f} %"
        )


def thin() -> dict[tuple[str, int, int], tuple[Array, Array]]:
    """Ratios in the cone at 1, 2 … nm over all arrangements of a thin slab, and standard errors.

    By element, energy [keV] and detector.
    """
    slabs, more, found = load("slabs"), load("thin"), {}
    for element, energy in dict.fromkeys(tuple(name.split("_")[:2]) for name in more):
        for detector in (0, 1):
            each = np.array(
                [
                    comparison.ours(element, int(energy), detector, ILLUMINATION["cone"], depth)
                    / kept[f"{name}_cone"][detector, 1 : len(depth) + 1]
                    for kept in (slabs, more)
                    for name in arrangements(kept, element, int(energy))
                    for depth in [kept[f"{name}_thickness_nm"][1 : int(comparison.THIN_NM) + 1]]
                ]
            )
            error = each.std(axis=0, ddof=1) / math.sqrt(len(each))
            found[element, int(energy), detector] = each.mean(axis=0), error
    return found


def print_thin() -> None:
    """Thin slabs with more arrangements of the atoms."""
    for (element, energy, detector), (ratio, error) in thin().items():
        edges = "{:.0f}–{:.0f}".format(*comparison.DETECTORS_MRAD[detector])
        cells = " | ".join(f"{r:.3f} ± {e:.3f}" for r, e in zip(ratio, error, strict=True))
        print(f"| {element}, {energy} keV, {edges} | {cells} |")


def print_image() -> None:
    """Agreement of the pictures, with no scale."""
    images, model = load("image")["images"], comparison.stemfast_image(0.5)
    pictures = {f"arrangement {i}": image for i, image in enumerate(images)}
    pictures[f"mean of {len(images)}"] = images.mean(axis=0)
    print("| abTEM | sum, stemfast/abTEM | 1 − R² | best scale | 1 − R², best scale |")
    print("|---|---|---|---|---|")
    for name, truth in pictures.items():
        scale = float(np.sum(truth * model) / np.sum(model * model))
        print(f"| {name} | {model.sum() / truth.sum():.3f} | {unexplained(truth, model):.4f} "
              f"| {scale:.3f} | {unexplained(truth, scale * model):.4f} |")  # fmt: skip
    pairs = [(a, b) for a in images for b in images if a is not b]
    print(f"one arrangement against another: {np.mean([unexplained(a, b) for a, b in pairs]):.4f}")


def print_all() -> None:
    """Print all numbers."""
    for part in (print_atom, print_slabs, print_others, print_beyond, print_thin, print_image):
        part()
        print()


def draw() -> None:
    """Write the figure: fractions against thickness, and a picture by both."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(10, 6.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    draw_slabs(upper.subplots(1, 2))
    images, model = load("image")["images"], comparison.stemfast_image(0.5)
    truth = images.mean(axis=0)
    half = comparison.IMAGE_PIXELS * comparison.IMAGE_PIXEL_NM / 2
    top = 100 * max(truth.max(), model.max())
    panels = [
        (f"abTEM, mean of {len(images)}", truth, {"cmap": "gray", "vmin": 0, "vmax": top}),
        ("stemfast", model, {"cmap": "gray", "vmin": 0, "vmax": top}),
        (f"difference, 1 − R² = {unexplained(truth, model):.4f}", truth - model,
         {"cmap": "RdBu_r", "vmin": -top / 4, "vmax": top / 4}),
    ]  # fmt: skip
    for axes, (title, picture, how) in zip(lower.subplots(1, 3), panels, strict=True):
        shown = axes.imshow(100 * picture, extent=(-half, half, half, -half), **how)
        axes.set(xlabel="x [nm]", ylabel="y [nm]")
        axes.set_title(title, fontsize="medium")
        lower.colorbar(shown, ax=axes, shrink=0.85, label="of the beam [%]")
    figure.savefig(FIGURE, dpi=110)
    plt.close(figure)


def draw_slabs(axes: Any) -> None:
    """Fractions of every element at 20 mrad, and both models over multislice."""
    kept = load("slabs")
    depth = np.linspace(0.05, comparison.SLAB_NM, 200)
    for element, colour in COLOURS.items():
        model = comparison.ours(element, 200.0, 0, comparison.CONVERGENCE_MRAD, depth)
        axes[0].plot(depth, 100 * model, color=colour, label=element)
        for name in arrangements(kept, element, 200):
            t, truth = kept[f"{name}_thickness_nm"], kept[f"{name}_cone"][0]
            axes[0].plot(t[2::4], 100 * truth[2::4], "o", mfc="none", color=colour, ms=4)
        t = np.arange(1, len(kept[f"{name}_thickness_nm"]))
        axes[1].plot(t, ratios(kept, element, 200, 0, "cone"), color=colour)
        axes[1].plot(t, old_over_multislice(kept, element, "cone"), ":", color=colour)
    axes[0].set(xlabel="thickness t [nm]", ylabel="scattered into 60–200 mrad, f [%]")
    axes[0].set(yscale="log", xlim=(0, comparison.SLAB_NM), ylim=(0.01, 50))
    axes[0].legend(frameon=False, ncols=5, title="lines: stemfast, circles: abTEM")
    axes[1].set(xlabel="thickness t [nm]", ylabel="over multislice; dotted: the old model")
    axes[1].set(xlim=(0, comparison.SLAB_NM), ylim=(0.85, 1.75))
    axes[1].axhspan(0.95, 1.05, color="0.5", alpha=0.15, lw=0)
    axes[1].text(39, 1.055, "±5 %", ha="right", color="0.4")
