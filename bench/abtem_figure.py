"""The numbers and the figure of abtem_comparison.py, from the arrays that it has kept."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import abtem_comparison as comparison
from abtem_comparison import Array, best_mean_free_path_nm, unexplained

FIGURE: Final = comparison.RESULTS.parent / "images" / "abtem.png"
TABLE_NM: Final = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 40)
THIN_NM: Final = 3.0
BLUE, RED, GREY = "#0072b2", "#d55e00", "0.45"


def load(name: str) -> dict[str, Any]:
    """What a step has kept."""
    with np.load(comparison.RESULTS / f"{name}.npz") as kept:
        return dict(kept)


def beer(thickness_nm: Array, path_nm: float) -> Array:
    """Stemfast's scattered fraction."""
    return -np.expm1(-thickness_nm / path_nm)


def thin_mean_free_path_nm(thickness_nm: Array, fraction: Array) -> float:
    """Λ [nm] of the straight line through the origin and the thinnest slabs."""
    t, f = (a[(thickness_nm > 0) & (thickness_nm <= THIN_NM)] for a in (thickness_nm, fraction))
    return float(np.sum(t * t) / np.sum(t * f))


def linear_until_nm(thickness_nm: Array, fraction: Array, path_nm: float) -> float:
    """Thickness [nm] at which t/Λ is first 10 % off, infinite if it never is."""
    t, f = thickness_nm[1:], fraction[1:]
    off = np.abs(t / path_nm / f - 1.0)
    off[t <= THIN_NM] = 0.0  # there the line was fitted
    beyond = np.flatnonzero(off >= 0.1)
    if not len(beyond):
        return float("inf")
    last = beyond[0]
    return float(np.interp(0.1, off[last - 1 : last + 1], t[last - 1 : last + 1]))


def fitted_scale(truth: Array, model: Array) -> float:
    """Return the one factor that brings a model nearest to the truth."""
    return float(np.sum(truth * model) / np.sum(model * model))


def print_atom() -> None:
    """Cross-sections of one atom, relative to stemfast's."""
    kept = load("atom")
    print("| | stemfast [nm²] | Born: Lobato | Kirkland | abTEM: step | step/2 | step/4 |")
    print("|---|---|---|---|---|---|---|")
    for i, element in enumerate(kept["elements"]):
        ours = kept["rutherford_nm2"][i]
        others = [kept["lobato_nm2"][i], kept["kirkland_nm2"][i], *kept["abtem_nm2"][i]]
        print(f"| {element} | {ours:.3e} | " + " | ".join(f"{o / ours:.3f}" for o in others) + " |")


def print_slab() -> None:
    """Scattered fraction against thickness."""
    kept, ours = load("slab"), comparison.ours_mean_free_path_nm()
    t = kept["thickness_nm"]
    convergent, parallel = (kept[k].mean(axis=0) for k in ("convergent", "parallel"))
    best = best_mean_free_path_nm(t, convergent)
    spread = np.ptp(kept["convergent"], axis=0) / 2
    print("| t [nm] | abTEM, 20 mrad | abTEM, parallel | stemfast | ratio | with best Λ | t/f |")
    print("|---|---|---|---|---|---|---|")
    for thickness in TABLE_NM:
        i = int(np.argmin(np.abs(t - thickness)))
        f, model = convergent[i], beer(t[i], ours)
        print(f"| {thickness} | {f:.4f} ± {spread[i]:.4f} | {parallel[i]:.4f} | {model:.4f} "
              f"| {model / f:.2f} | {beer(t[i], best):.4f} | {t[i] / f:.1f} |")  # fmt: skip
    for name, f in (("20 mrad", convergent), ("parallel", parallel)):
        thin = thin_mean_free_path_nm(t, f)
        print(f"{name}: thin limit Λ = {thin:.1f} nm ({thin / ours:.2f}× ours); "
              f"t/Λ is 10 % off at {linear_until_nm(t, f, thin):.1f} nm")  # fmt: skip
        for limit in (5, 10, 20, 40):
            some = t <= limit
            path = best_mean_free_path_nm(t[some], f[some])
            off = np.abs(beer(t[some][2:], path) / f[some][2:] - 1).max()
            print(f"  up to {limit:2} nm: best Λ = {path:.1f} nm ({path / ours:.2f}× ours), "
                  f"1 − R² = {unexplained(f[some], beer(t[some], path)):.5f}, worst {off:.1%} from "
                  f"1 nm on; with our own Λ "
                  f"1 − R² = {unexplained(f[some], beer(t[some], ours)):.2f}")  # fmt: skip
    print(f"stemfast alone: t/Λ is 10 % off at {0.1937 * ours:.1f} nm, with best Λ "
          f"{0.1937 * best:.1f} nm")  # fmt: skip


def print_checks() -> None:
    """How the answer at 5 nm moves."""
    kept = load("checks")
    usual = kept["fraction_at_5_nm"][0]
    for name, f in zip(kept["names"], kept["fraction_at_5_nm"], strict=True):
        print(f"| {name} | {f:.4f} | {f / usual - 1:+.1%} |")


def print_image() -> None:
    """How alike the pictures are."""
    images, ours = load("image")["images"], comparison.stemfast_image(0.5)
    pictures = {f"arrangement {i}": image for i, image in enumerate(images)}
    pictures[f"mean of {len(images)}"] = images.mean(axis=0)
    slab = load("slab")  # parallel: the image's aperture is nearly so
    known = thin_mean_free_path_nm(slab["thickness_nm"], slab["parallel"].mean(axis=0))
    known = comparison.ours_mean_free_path_nm() / known
    print(f"| abTEM | 1 − R², no fit | scale of the slabs, {known:.3f} | best scale | 1 − R² |")
    print("|---|---|---|---|---|")
    for name, truth in pictures.items():
        scale = fitted_scale(truth, ours)
        print(f"| {name} | {unexplained(truth, ours):.2f} "
              f"| {unexplained(truth, known * ours):.4f} | {scale:.3f} "
              f"| {unexplained(truth, scale * ours):.4f} |")  # fmt: skip
    scales = [(a, b) for a in images for b in images if a is not b]
    between = np.mean([unexplained(a, fitted_scale(a, b) * b) for a, b in scales])
    print(f"one arrangement against another, scaled: {between:.4f}")


def draw() -> None:
    """Print all numbers and write the figure."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    for part in (print_atom, print_slab, print_checks, print_image):
        part()
        print()
    figure = plt.figure(figsize=(10, 6.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    draw_slab(upper.subplots(1, 2))
    images, ours = load("image")["images"], comparison.stemfast_image(0.5)
    truth = images.mean(axis=0)
    model = fitted_scale(truth, ours) * ours
    half = comparison.IMAGE_PIXELS * comparison.IMAGE_PIXEL_NM / 2
    top = 100 * max(truth.max(), model.max())
    panels = [
        (f"abTEM, mean of {len(images)}", truth, {"cmap": "gray", "vmin": 0, "vmax": top}),
        (f"stemfast × {fitted_scale(truth, ours):.3f}", model,
         {"cmap": "gray", "vmin": 0, "vmax": top}),
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


def draw_slab(axes: Any) -> None:
    """Fraction against thickness, and thickness over fraction, which a straight line keeps."""
    kept, ours = load("slab"), comparison.ours_mean_free_path_nm()
    t = kept["thickness_nm"]
    convergent, parallel = (kept[k].mean(axis=0) for k in ("convergent", "parallel"))
    best, thin = best_mean_free_path_nm(t, convergent), thin_mean_free_path_nm(t, convergent)
    models = {
        f"stemfast, its own Λ = {ours:.1f} nm": (beer(t, ours), RED, "-"),
        f"stemfast, best Λ = {best:.1f} nm": (beer(t, best), BLUE, "-"),
        f"t/Λ, Λ = {thin:.1f} nm of the thin limit": (t / thin, GREY, "--"),
    }
    truths = {"abTEM, 20 mrad": (convergent, "o"), "abTEM, parallel": (parallel, "s")}
    for label, (f, colour, line) in models.items():
        axes[0].plot(t, 100 * f, line, color=colour, label=label)
        axes[1].plot(t[1:], t[1:] / f[1:], line, color=colour)
    for label, (f, mark) in truths.items():
        how = {"mfc": "k" if mark == "o" else "w", "mec": "k", "ms": 4, "ls": ""}
        axes[0].plot(t[::4], 100 * f[::4], mark, label=label, **how)
        axes[1].plot(t[2::2], t[2::2] / f[2::2], mark, **how)
    axes[0].set(xlabel="thickness t [nm]", ylabel="scattered into 60–200 mrad, f [%]")
    axes[0].set(xlim=(0, t[-1]), ylim=(0, 48))
    axes[0].legend(frameon=False)
    axes[1].set(xlabel="thickness t [nm]", ylabel="t/f [nm]", xlim=(0, t[-1]), ylim=(50, 125))
    axes[1].axhspan(thin / 1.1, thin * 1.1, color=GREY, alpha=0.12, lw=0)
    axes[1].text(t[-1] * 0.98, thin / 1.095, "±10 %", ha="right", va="bottom", color=GREY)
