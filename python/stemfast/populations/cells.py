"""Tables of the page: cells as shown and as sorted, and the shares of classes with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from stemfast.populations.charts import interval

__all__ = ["Cell", "length", "percent", "share_table", "table", "text", "whole"]

Content = dict[str, Any]
Cell = tuple[str, str | float | int]  # as shown, and to sort by


def text(words: str) -> Cell:
    """Words."""
    return escape(words), ""


def whole(number: int) -> Cell:
    """A number of things."""
    return str(number), number


def percent(share: float) -> Cell:
    """A share, 0 … 1.

    Examples
    --------
    >>> percent(0.1234)
    ('12.3 %', 0.1234)
    """
    return f"{100 * share:.1f} %", share


def length(value: float | None) -> Cell:
    """A length to three digits."""
    return ("–", -1) if value is None else (f"{value:.3g}", value)


def table(name: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that a click on its heads sorts."""
    line = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="text">{shown}</td>' if key == "" else f'<td data-v="{key}">{shown}</td>'
            for shown, key in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table id="{name}" class="sortable"><thead><tr>{line}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def share_table(
    name: str, head: str, classes: Sequence[tuple[Cell, Content]], *, corrected: bool
) -> str:
    """Classes with their shares, as counted and corrected.

    Parameters
    ----------
    name : str
        Of the table in the page.
    head : str
        Of the column of the classes.
    classes : sequence of (Cell, dict)
        Each class, with ``counted``, ``sure`` and the share as in ``report.json``; the column of
        true shares is there where one of them has a ``true_share``.
    corrected : bool
        Whether the shares are corrected for the network's mistakes.

    Returns
    -------
    str
    """
    rows = []
    for label, one in classes:
        counted: list[Cell] = [whole(one["counted"]), whole(one["sure"])]
        if one["share"] is None:
            line: list[Cell] = [("–", -1)] * 3
            counted.append(("–", -1))
        else:
            line = [
                percent(one["share"]),
                (f"{100 * one['low']:.1f} to {100 * one['high']:.1f} %", one["low"]),
                (interval(one["share"], one["low"], one["high"]), one["share"]),
            ]
            counted.append(percent(one["observed_share"]))
        if one.get("true_share") is not None:
            line.append(percent(one["true_share"]))
        rows.append([label, *line, *counted])
    share = "Share, corrected" if corrected else "Share, not corrected"
    truth = ["Truth"] if any(one.get("true_share") is not None for _, one in classes) else []
    heads = [head, share, "95 % interval", "", *truth, "Counted", "Sure", "Share as counted"]
    return table(name, heads, rows)
