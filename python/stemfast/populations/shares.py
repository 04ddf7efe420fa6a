"""Shares of classes as the report tells them: of shapes, numbers of deformed corners, and hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stemfast.classification.hands import LEFT, RIGHT, SYMMETRIC, UNTOLD
from stemfast.evaluation.metrics import wilson_interval
from stemfast.micrograph.table import UNLIKE
from stemfast.populations.part import Row
from stemfast.populations.prevalence import Prevalence, prevalence
from stemfast.populations.settings import NetworkCard

__all__ = [
    "Corners",
    "Hands",
    "corners_in_words",
    "corrected",
    "hands_in_words",
    "mean_number",
    "share_of",
    "told_of_corners",
    "told_of_hands",
    "unlike_share",
]

Content = dict[str, Any]

_DRAWS = 4000


@dataclass(eq=False)
class Corners:
    """Cuboids by their number of deformed corners.

    Attributes
    ----------
    class_names : tuple of str
        Numbers that the network tells.
    unlike : int
        Cuboids unlike all that the network learnt from.
    counted, sure : list of int
        The others by their most probable number; and those of them that are sure.
    """

    class_names: tuple[str, ...]
    unlike: int = 0
    counted: list[int] = field(default_factory=list)
    sure: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counted, self.sure = [0] * len(self.class_names), [0] * len(self.class_names)

    def add(self, row: Row) -> None:
        """Take in a particle; of one that was not read, nothing is known."""
        if row["corners"] == "":
            return
        if row["corners_verdict"] == UNLIKE:
            self.unlike += 1
            return
        number = str(row["corners"])
        k = self.class_names.index(number)
        self.counted[k] += 1
        self.sure[k] += row["corners_verdict"] == number


@dataclass(eq=False)
class Hands:
    """Cuboids by their handedness.

    Attributes
    ----------
    counted : Counter
        "right-handed", "left-handed", "mirror-symmetric" and "not told".
    chances : list of float
        Probability that each of the chiral ones is right-handed.
    """

    counted: Counter[str] = field(default_factory=Counter)
    chances: list[float] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Take in a particle; of one that was not read, nothing is known."""
        hand = str(row["hand"])
        if not hand:
            return
        self.counted[hand] += 1
        if hand in (RIGHT, LEFT):
            sure = float(row["hand_probability"])
            self.chances.append(sure if hand == RIGHT else 1.0 - sure)

    def excess(self) -> Content | None:
        """Share of right-handed less that of left-handed, with its 95 % interval.

        It holds chance in the counts (Jeffreys' prior) and what the fits leave open of each hand.
        """
        if not self.chances:
            return None
        rng = np.random.default_rng(0)
        right = (rng.random((_DRAWS, len(self.chances))) < self.chances).sum(axis=1)
        shares = rng.beta(right + 0.5, len(self.chances) - right + 0.5)
        low, high = np.quantile(2.0 * shares - 1.0, [0.025, 0.975])
        mean = 2.0 * float(np.mean(self.chances)) - 1.0
        return {"excess": mean, "low": float(low), "high": float(high)}


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


def told_of_corners(
    of: Corners, card: NetworkCard, truth: Mapping[str, float] | None = None
) -> Content:
    """Content of the report about the corners of cuboids.

    Parameters
    ----------
    of : Corners
    card : NetworkCard
        Of the network that counted them; it corrects the shares.
    truth : mapping of str to float, optional
        True shares of the numbers, where they are known.

    Returns
    -------
    dict
    """
    shares = corrected(of.counted, card.confusion)
    read = sum(of.counted) + of.unlike
    deformed = None
    if shares is not None:
        share, low, high = shares.all_but(card.class_names.index("0"))
        deformed = {"share": share, "low": low, "high": high}
    return {
        "network": card.model,
        "read": read,
        "counted": sum(of.counted),
        "sure": sum(of.sure),
        "unlike": of.unlike,
        "unlike_share": unlike_share(of.unlike, read),
        "corrected": shares is not None and shares.corrected,
        "confusion": None if card.confusion is None else [list(row) for row in card.confusion],
        "deformed": deformed,
        "mean_number": mean_number(card.class_names, shares),
        "truth": None
        if truth is None
        else {
            "deformed": 1.0 - truth.get("0", 0.0),
            "mean_number": sum(int(name) * share for name, share in truth.items()),
        },
        "numbers": [
            {
                "corners": int(name),
                "counted": of.counted[k],
                "sure": of.sure[k],
                **share_of(shares, k),
                "true_share": None if truth is None else truth.get(name, 0.0),
            }
            for k, name in enumerate(card.class_names)
        ],
    }


def corners_in_words(told: Content) -> str:
    """Share deformed and mean number with their intervals, and the truth where it is known."""
    deformed, number, truth = told["deformed"], told["mean_number"], told["truth"]
    words = (
        f"cuboids with a deformed corner or more: {100 * deformed['share']:.1f} % "
        f"({100 * deformed['low']:.1f} to {100 * deformed['high']:.1f} %); mean number "
        f"{number['mean']:.2f} ({number['low']:.2f} to {number['high']:.2f})"
    )
    if truth is None:
        return words
    return f"{words}; in truth {100 * truth['deformed']:.1f} %, {truth['mean_number']:.2f}"


def told_of_hands(of: Hands, truth: Mapping[str, float] | None = None) -> Content:
    """Content of the report about the handedness of cuboids in tilt series.

    Parameters
    ----------
    of : Hands
    truth : mapping of str to float, optional
        True shares of "right-handed" and "left-handed", where they are known.

    Returns
    -------
    dict

    Examples
    --------
    >>> told = told_of_hands(Hands(Counter({RIGHT: 2, LEFT: 1}), [1.0, 1.0, 0.0]))
    >>> told["read"], round(told["excess"]["excess"], 3)
    (3, 0.333)
    """
    return {
        "read": of.counted.total(),
        "right": of.counted[RIGHT],
        "left": of.counted[LEFT],
        "symmetric": of.counted[SYMMETRIC],
        "not_told": of.counted[UNTOLD],
        "excess": of.excess(),
        "true_excess": None if truth is None else truth.get(RIGHT, 0.0) - truth.get(LEFT, 0.0),
    }


def hands_in_words(told: Content) -> str:
    """Numbers of each hand, the excess with its interval, and the truth where it is known."""
    words = f"hands of {told['read']} cuboids: {told['right']} right, {told['left']} left"
    excess = told["excess"]
    if excess is not None:
        words += (
            f"; excess of the right hand {100 * excess['excess']:+.0f} % "
            f"({100 * excess['low']:+.0f} to {100 * excess['high']:+.0f} %)"
        )
    true = told["true_excess"]
    return words if true is None else f"{words}, in truth {100 * true:+.0f} %"
