"""Drawings of the report as SVG within the page: shares with their intervals, histograms."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["histogram", "interval"]

_WIDTH, _HEIGHT = 260, 110
_LEFT, _BELOW, _ABOVE = 30, 18, 8
_BAR_WIDTH, _BAR_HEIGHT = 160, 14


def interval(share: float, low: float, high: float) -> str:
    """A share as a bar with its interval as a line, 0 at the left and 1 at the right.

    Examples
    --------
    >>> interval(0.5, 0.4, 0.6).count("<rect")
    2
    """
    middle = _BAR_HEIGHT / 2
    left, right = _BAR_WIDTH * low, _BAR_WIDTH * high
    return (
        f'<svg width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}" viewBox="0 0 {_BAR_WIDTH} '
        f'{_BAR_HEIGHT}" role="img" aria-label="{100 * low:.1f} to {100 * high:.1f} %">'
        f'<rect width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}" fill="var(--line)"/>'
        f'<rect width="{_BAR_WIDTH * share:.1f}" height="{_BAR_HEIGHT}" fill="var(--bar)"/>'
        f'<path d="M{left:.1f} {middle}H{right:.1f}M{left:.1f} 3v8M{right:.1f} 3v8" '
        'stroke="var(--ink)" stroke-width="1.5"/></svg>'
    )


def histogram(counts: Sequence[int], edges: Sequence[float], unit: str) -> str:
    """A histogram with the range of its bins and its largest count.

    Examples
    --------
    >>> histogram([1, 3], [0.0, 1.0, 2.0], "nm").count("<rect")
    2
    """
    most = max([*counts, 1])
    wide, high = _WIDTH - _LEFT - 6, _HEIGHT - _BELOW - _ABOVE
    step = wide / max(len(counts), 1)
    bars = "".join(
        f'<rect x="{_LEFT + k * step:.1f}" y="{_ABOVE + high * (1 - n / most):.1f}" '
        f'width="{max(step - 1, 0.5):.1f}" height="{high * n / most:.1f}" fill="var(--bar)"/>'
        for k, n in enumerate(counts)
    )
    base = _ABOVE + high
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="histogram of diameters">'
        f'{bars}<path d="M{_LEFT} {base}H{_WIDTH - 6}" stroke="var(--dim)"/>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{edges[0]:.3g}</text>'
        f'<text x="{_WIDTH - 6}" y="{_HEIGHT - 4}" text-anchor="end">{edges[-1]:.3g} {unit}</text>'
        f'<text x="{_LEFT - 4}" y="{_ABOVE + 9}" text-anchor="end">{most}</text></svg>'
    )
