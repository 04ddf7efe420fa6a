"""The report as one page of HTML that needs nothing else: pictures, style and script within."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from stemfast.classification.hands import LEFT, RIGHT, SYMMETRIC, UNTOLD
from stemfast.populations.cells import Cell, length, share_table, table, text, whole
from stemfast.populations.charts import histogram
from stemfast.populations.gather import Gathered, Pictured
from stemfast.populations.pictures import CHOICES

__all__ = ["Added", "page"]

_HERE = Path(__file__).parent
#: Nothing is fetched, whatever a file's name holds.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

Content = dict[str, Any]


@dataclass(frozen=True)
class Added:
    """A section of a page under a heading: a picture, and words below it."""

    title: str
    png: bytes
    words: str


def page(content: Content, gathered: Gathered, added: Sequence[Added] = ()) -> str:
    """The page.

    Parameters
    ----------
    content : dict
        All of its numbers, as in ``report.json``.
    gathered : Gathered
        Its pictures, and its list of particles.
    added : sequence of Added
        Sections beside these.

    Returns
    -------
    str
    """
    title = escape(content["title"])
    parts = [
        f"<h1>{title}</h1>",
        _summary(content),
        _notes(content["notes"]),
        _shares(content),
        _corners(content.get("corners")),
        _hands(content.get("hands")),
        _sizes(content),
        _pictures(gathered),
        *map(_section, added),
        _particles(gathered),
        _files(content),
        _failed(content["failed"]),
        _method(content),
    ]
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{title}: particles</title><style>{style}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<script>{script}</script></body></html>\n"
    )


def _summary(content: Content) -> str:
    files, particles = content["files"], content["particles"]
    failed = f", {files['failed']} failed" if files["failed"] else ""
    empty = (
        f", {files['without_particles']} without a particle" if files["without_particles"] else ""
    )
    lines = [
        f"<p><b>{particles['found']}</b> particles in <b>{files['read']}</b> files{empty}{failed}; "
        f"network {escape(content['settings']['model'])}.</p>",
        f"<p>{particles['counted']} count for the shares, {particles['sure']} of them are sure. "
        f"Left out: {particles['cut']} cut by the edge of their image, {particles['unlike']} "
        "unlike all that the network learnt from.</p>",
    ]
    number = content["mean_number"]
    if number is not None:
        lines.append(
            f"<p>Mean number per particle: <b>{number['mean']:.2f}</b> "
            f"({number['low']:.2f} to {number['high']:.2f}).</p>"
        )
    return "".join(lines)


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="notes"><ul>{items}</ul></div>'


def _shares(content: Content) -> str:
    shares = share_table(
        "shapes",
        "Shape",
        [(text(one["shape"]), one) for one in content["shapes"]],
        corrected=content["corrected"],
    )
    return "<h2>Shapes</h2>" + shares + _unlike(content["unlike_share"], "whole particles")


def _unlike(unlike: Content | None, what: str) -> str:
    if unlike is None:
        return ""
    return (
        '<p class="dim">Unlike all that the network learnt from: '
        f"{100 * unlike['share']:.1f} % of the {what} "
        f"({100 * unlike['low']:.1f} to {100 * unlike['high']:.1f} %). Of images like those "
        "about 1 % are called so.</p>"
    )


def _corners(of: Content | None) -> str:
    """Corners of the particles that are most probably cuboids, where they were counted."""
    if of is None:
        return ""
    parts = [
        "<h2>Corners of cuboids</h2>"
        f"<p><b>{of['read']}</b> whole particles are most probably cuboids, sure or not, and were "
        f"read. Of these {of['counted']} count for the shares (of "
        f"{of['sure']} the number is sure), {of['unlike']} are unlike all that the network "
        f"{escape(of['network'])} learnt from.</p>"
    ]
    if of["deformed"] is not None:
        deformed, number = of["deformed"], of["mean_number"]
        parts.append(
            f"<p>With a deformed corner or more: <b>{100 * deformed['share']:.1f} %</b> "
            f"({100 * deformed['low']:.1f} to {100 * deformed['high']:.1f} %). Mean number of "
            f"deformed corners: <b>{number['mean']:.2f}</b> ({number['low']:.2f} to "
            f"{number['high']:.2f}).{_in_truth(of['truth'])}</p>"
        )
    numbers = [(whole(one["corners"]), one) for one in of["numbers"]]
    parts += [
        share_table("corners", "Deformed corners", numbers, corrected=of["corrected"]),
        _unlike(of["unlike_share"], "cuboids"),
    ]
    return "".join(parts)


def _hands(of: Content | None) -> str:
    """Handedness of the cuboids in tilt series, where it was to be told."""
    if of is None:
        return ""
    if not of["read"]:
        return "<h2>Handedness of cuboids</h2><p>No file is a tilt series with cuboids.</p>"
    rows = [
        [text(name), whole(of[key])]
        for name, key in (
            (RIGHT, "right"),
            (LEFT, "left"),
            (SYMMETRIC, "symmetric"),
            (UNTOLD, "not_told"),
        )
    ]
    excess, truth = of["excess"], of["true_excess"]
    said = ""
    if excess is not None:
        said = (
            f"<p>Excess of the right hand: <b>{100 * excess['excess']:+.1f} %</b> "
            f"({100 * excess['low']:+.1f} to {100 * excess['high']:+.1f} %)."
            + ("" if truth is None else f" In truth {100 * truth:+.1f} %.")
            + "</p>"
        )
    return (
        "<h2>Handedness of cuboids</h2>"
        f"<p><b>{of['read']}</b> whole particles of tilt series are most probably cuboids; each "
        f"was fitted through its frames.</p>{said}"
        + table("hands", ["Hand", "Cuboids"], rows)
        + '<p class="dim">The excess is the share of right-handed less that of left-handed '
        "particles; its interval holds chance in the counts and what the fits leave open. Not "
        "told are particles that no cuboid explains or that fewer than two frames show. In front "
        "of a support hands are wrong more often than the interval holds.</p>"
    )


def _in_truth(truth: Content | None) -> str:
    if truth is None:
        return ""
    return f" In truth {100 * truth['deformed']:.1f} % and {truth['mean_number']:.2f}."


def _sizes(content: Content) -> str:
    unit = content["size_unit"]
    everything = {"shape": "all whole particles", "sizes": content["all_sizes"]}
    rows, plots = [], []
    for one in [everything, *content["shapes"]]:
        sizes = one["sizes"]
        if not sizes["n"]:
            continue
        rows.append(
            [
                text(one["shape"]),
                whole(sizes["n"]),
                *(
                    length(sizes[f"{name}_{unit}"])
                    for name in ("median", "mean", "mean_se", "sd", "edge_corrected_mean")
                ),
            ]
        )
        drawn = histogram(sizes["histogram"], content[f"histogram_edges_{unit}"], unit)
        plots.append(f"<div><b>{escape(one['shape'])}</b>{drawn}</div>")
    if not rows:
        return ""
    heads = [f"Equivalent diameter [{unit}]", "n", "Median", "Mean", "±", "Sd", "Mean, edge"]
    return (
        "<h2>Sizes</h2>"
        + table("sizes", heads, rows)
        + '<p class="dim">Of the particles whose shape is sure, and of all whole ones. ± is '
        'the standard error of the mean; "Mean, edge" allows for large particles being '
        "cut by the edge of the image more often.</p>"
        + f'<div class="plots">{"".join(plots)}</div>'
    )


def _pictures(gathered: Gathered) -> str:
    sections = []
    for name, choice in CHOICES.items():
        shown = [
            one
            for (which, _), group in sorted(gathered.pictures.items())
            if which == name
            for one in group
        ]
        if shown:
            figures = "".join(map(_figure, shown))
            sections.append(f'<h2>{choice.title}</h2><div class="pictures">{figures}</div>')
    return "".join(sections)


def _figure(one: Pictured) -> str:
    novelty = "" if one.novelty is None else f", novelty {one.novelty:.2g}"
    label = f"{one.shape} {100 * one.probability:.1f} %"
    return (
        f'<figure><img alt="{escape(label)}" src="data:image/jpeg;base64,{one.jpeg}">'
        f"<figcaption>{escape(label)}{novelty}<br>{one.diameter:.3g} {one.unit}<br>"
        f"{escape(one.file)}, {one.particle}</figcaption></figure>"
    )


def _section(one: Added) -> str:
    picture = base64.b64encode(one.png).decode("ascii")
    return (
        f'<h2>{escape(one.title)}</h2><div class="scroll"><img alt="{escape(one.title)}" '
        f'src="data:image/png;base64,{picture}"><pre>{escape(one.words)}</pre></div>'
    )


def _particles(gathered: Gathered) -> str:
    if not gathered.listed:
        return ""
    words = sorted({str(row[3]) for row in gathered.listed})
    number = {word: k for k, word in enumerate(words)}
    unit = gathered.all_sizes.unit
    bare = {k for k, file in enumerate(gathered.files) if file.pixel_size_nm is None}
    hidden = bare if unit == "nm" else set()  # diameters in px among others in nm
    rows = [
        [*row[:2], None if row[0] in hidden else row[2], number[str(row[3])], *row[4:]]
        for row in gathered.listed
    ]
    data = {"files": [file.name for file in gathered.files], "words": words, "rows": rows}
    packed = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    options = "".join(f'<option value="{k}">{escape(w)}</option>' for w, k in number.items())
    heads = ["File", "Particle", f"Diameter [{unit}]", "Shape or doubt", "Probability", "Novelty"]
    line = "".join(f"<th>{head}</th>" for head in heads)
    return (
        '<h2>Particles</h2><div class="tools"><select id="choice" aria-label="Shape or doubt">'
        f'<option value="">all</option>{options}</select><button id="back">back</button>'
        '<button id="on">on</button><span id="page" class="dim"></span></div>'
        f'<div class="scroll"><table id="particles"><thead><tr>{line}</tr></thead><tbody></tbody>'
        "</table></div><noscript>The list needs JavaScript; particles.csv holds it too.</noscript>"
        f'<script type="application/json" id="data">{packed}</script>'
    )


def _scale(size: float | None) -> Cell:
    return ("–", "") if size is None else (f"{size:g}", size)


def _files(content: Content) -> str:
    rows: list[list[Cell]] = [
        [
            text(file["file"]),
            whole(file["particles"]),
            _scale(file["pixel_size_nm"]),
            text(file["contrast"]),
            text("; ".join(file["notes"])),
        ]
        for file in content["file_list"]
    ]
    heads = ["File", "Particles", "nm/px", "Contrast", "Notes"]
    if not rows:
        return ""
    shown = table("files", heads, rows)
    return f"<details><summary><b>Files</b> ({len(rows)})</summary>{shown}</details>"


def _failed(failed: Sequence[Content]) -> str:
    if not failed:
        return ""
    rows: list[list[Cell]] = [[text(one["file"]), text(one["why"])] for one in failed]
    return "<h2>Files that failed</h2>" + table("failed", ["File", "Why"], rows)


def _method(content: Content) -> str:
    how = (
        "Shares are corrected for the mistakes that the network made on its test images: shares p "
        "of the true shapes show as q = p·C, C being the rates of each answer (Rogan and Gladen "
        "1978). Intervals hold 95 %, of chance in the counts and in C."
        if content["corrected"]
        else "Shares are as counted. Intervals hold 95 %, of chance in the counts."
    )
    return (
        f'<h2>Method</h2><p class="dim">{how} Counted are whole particles that look like what the '
        "network learnt from, by their most probable shape. All numbers are in report.json, all "
        "particles in particles.csv.</p>"
    )
