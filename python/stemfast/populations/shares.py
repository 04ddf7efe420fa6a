"""Shares of classes as the report tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from stemfast.evaluation.metrics import wilson_interval
from stemfast.populations.prevalence import Prevalence, prevalence

__all__ = ["corrected", "mean_number", "share_of", "unlike_share"]

Content = dict[str, Any]


def corrected(counted: Sequence[int], confusion: ArrayLike | None) -> Prevalence | None:
    """Corrected shares of classes; None where nothing was counted."""
    return prevalence(counted, confusion) if sum(counted) else None


def share_of(shares: Prevalence | None, k: int) -> Content:
    """Share of a class as counted and corrected, with its interval."""
    if shares is None:
        return dict.fromkeys(("observed_share", "share", "low", "high"))
    return {
        "observed_share": float(shares.observed[k]),
        "share": float(shares.shares[k]),
        "low": float(shares.low[k]),
        "high": float(shares.high[k]),
    }


def unlike_share(unlike: int, whole: int) -> Content | None:
    """Share of the particles that are unlike all that the network learnt from."""
    if not whole:
        return None
    low, high = wilson_interval(unlike, whole)
    return {"share": unlike / whole, "low": low, "high": high}


def mean_number(names: Sequence[str], shares: Prevalence | None) -> Content | None:
    """Mean over the particles where the classes are numbers, of corners say."""
    if shares is None or not all(name.isdecimal() for name in names):
        return None
    mean, low, high = shares.mean_of([int(name) for name in names])
    return {"mean": mean, "low": low, "high": high}
