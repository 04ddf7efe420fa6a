"""The comparison as a table of text and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stemfast import atomic

__all__ = ["pictures", "table"]

_AXES = {
    "views": ("images of the particle", "log"),
    "dose": ("brightest signal [e⁻ per pixel]", "log"),
    "tilt-error": ("error of each tilt [degrees]", "symlog"),
}
_SHARES = {"count": "corners counted", "orbit of 46": "orbit up to mirror", "hand": "handedness"}
_MEASURES = (
    "edges",
    "volume",
    "severity",
    *(
        f"{name} within {bars}"
        for name in ("edges", "volume", "severity")
        for bars in ("one error bar", "two error bars")
    ),
)
_SIZES = {"edges": "edges", "volume": "volume"}


def _said(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "–"
    return f"{100 * entry['share']:.1f}" if "share" in entry else f"{100 * entry['rms']:.1f}"


def table(rows: list[dict[str, Any]]) -> str:
    """Methods against the number of images, in Markdown: figures in %.

    Parameters
    ----------
    rows : list of dict
        Of a :class:`stemfast.studies.reconstruction_curves.Comparison`.
    """
    mine = [row for row in rows if row["against"] == "views"]
    views = sorted({int(row["at"]) for row in mine})
    blind = ("count", "orbit of 46", "hand", *_MEASURES)
    told = ("count", "orbit of 46", "orbit of 76", "hand", *_MEASURES)
    lines = []
    for poses, names in (
        ("unknown", blind),
        ("known tilts", told),
        ("known spin", told),
        ("known sense of spin", told),
        ("unknown spin", blind),
    ):
        if not any(row["poses"] == poses for row in mine):
            continue
        for name in names:
            lines += [
                f"**{name}, poses {poses}**" if poses == "unknown" else f"**{name}, {poses}**",
                "",
                "| method | " + " | ".join(f"K = {count}" for count in views) + " |",
                "|---|" + "---:|" * len(views),
            ]
            methods = dict.fromkeys(row["method"] for row in mine)
            for method in methods:
                found = {
                    int(row["at"]): row["figures"].get(name)
                    for row in mine
                    if row["method"] == method and row["poses"] == poses
                }
                if any(found.values()):
                    cells = " | ".join(_said(found.get(count)) for count in views)
                    lines.append(f"| {method} | {cells} |")
            lines.append("")
    return "\n".join(lines)


def pictures(folder: Path, rows: list[dict[str, Any]]) -> None:
    """One picture for each of views, dose and tilt error, if matplotlib is there."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    for against in _AXES:
        mine = [row for row in rows if row["against"] == against]
        if not mine:
            continue
        figure = Figure(figsize=(11, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, wanted in ((left, _SHARES | {"orbit of 76": "orbit and hand"}), (right, _SIZES)):
            _draw(axes, mine, wanted, against)
        left.set_ylabel("right [%]")
        right.set_ylabel("rms error [%]")
        with atomic.replacing(folder / f"curve-{against}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=120)


def _draw(axes: Any, rows: list[dict[str, Any]], wanted: dict[str, str], against: str) -> None:
    ours = [row for row in rows if row["method"] == "ground truth"]
    for number, (name, words) in enumerate(wanted.items()):
        for poses, line in (("known tilts", "-"), ("unknown", "--"), ("known spin", ":")):
            found = [
                (row["at"], row["figures"][name])
                for row in ours
                if row["poses"] == poses and name in row["figures"]
            ]
            if not found:
                continue
            x = [at for at, _ in found]
            y = [100 * entry.get("share", entry.get("rms")) for _, entry in found]
            ends = [[100 * end for end in entry["interval"]] for _, entry in found]
            error = [
                [max(0.0, value - low) for value, (low, _) in zip(y, ends, strict=True)],
                [max(0.0, high - value) for value, (_, high) in zip(y, ends, strict=True)],
            ]
            axes.errorbar(
                x,
                y,
                yerr=error,
                linestyle=line,
                color=f"C{number}",
                marker="o",
                markersize=3,
                capsize=2,
                label=f"{words}, {poses if poses != 'unknown' else 'unknown poses'}",
            )
    said, scale = _AXES[against]
    axes.set_xlabel(said)
    axes.set_xscale(scale, **({"linthresh": 0.1} if scale == "symlog" else {}))
    if against == "views":
        axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    # Many lines leave no corner free: wide and low, below the coin's 50 %.
    many = len(axes.get_legend_handles_labels()[1]) > 8
    axes.legend(fontsize=7, ncols=2 if many else 1, loc="lower center" if many else "best")
