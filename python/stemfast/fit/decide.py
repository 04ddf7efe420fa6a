"""One image in, the particle out: proposals, the search among corners, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import CORNERS
from stemfast.fit.image.goodness import Goodness, goodness
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.joint.propose import posed_anew
from stemfast.fit.one_thread import one_thread
from stemfast.fit.prior import Prior
from stemfast.fit.propose import are_apart, likely_mask, proposals, refitted
from stemfast.fit.search import Comparison, search
from stemfast.fit.tasks import Question, question
from stemfast.fit.templates import binned

if TYPE_CHECKING:
    from stemfast.fit.maximum import Refined
    from stemfast.microscope import Microscope

__all__ = ["Decision", "decide"]

Float: TypeAlias = NDArray[np.float64]

_IDEAS = 5
# Where poses are looked for again: waves of the film, how far apart, and how many are searched.
_WAVES, _APART_DEG, _AGAIN = 6, 2.5, 2
_HOPELESS = 40.0  # logarithms of likelihood behind the best proposal
_FAIR = 2.0  # standard deviations of χ² beyond its mean that noise alone may reach


@dataclass(frozen=True, eq=False)
class Decision:
    """Decision about the particle in an image.

    Attributes
    ----------
    comparisons : tuple of Comparison
        Of the sets of cut corners, one for each pose that explains the image, the best first.
    questions : tuple of Question
        What the task asks in the axes of the best fit of each.
    probability : (n_classes,) float64
        Of each class of the task.
    goodness : Goodness
        Whether the best fit explains the image.
    """

    comparisons: tuple[Comparison[Refined], ...]
    questions: tuple[Question, ...]
    probability: Float
    goodness: Goodness

    @property
    def best(self) -> Refined:
        """The fit of the most probable set of corners."""
        return self.comparisons[0].fits[self.comparisons[0].best]

    @property
    def answer(self) -> int:
        """The most probable class."""
        return int(self.probability.argmax())


@one_thread
def decide(
    image: ArrayLike,
    microscope: Microscope,
    task: str = "count",
    *,
    material: str = "Au",
    prior: Prior | None = None,
    beam_nm: ArrayLike | None = None,
    starts: int = 3,
) -> Decision:
    """Find the particle of an image from the image alone.

    Parameters
    ----------
    image : (rows, columns) array_like
        Pixel values.
    microscope : Microscope
        What took it: dose, probe, film and detector are taken as known.
    task : str
        One of `stemfast.fit.tasks.CORNER_TASKS`: what is asked of the corners, and how likely each
        set of them is beforehand.
    material : str
        What the particle is made of.
    prior : Prior, optional
        Limits of the cuts and the like.
    beam_nm : (rows, columns, 2) array_like, optional
        Where the beam stood, if not on its grid.
    starts : int
        Fits of each rival that is not hopeless; see `search`.

    Returns
    -------
    Decision

    Raises
    ------
    ValueError
        If there is no such task, no particle stands out of the image, or image and microscope do
        not fit each other.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> image = sf.simulate(particle, Rotation.from_rotvec([0.5, 0.4, 0.3]), seed=1)
    >>> found = decide(image, sf.Microscope(), prior=Prior(cut=(0.2, 0.5)), starts=1)
    >>> found.answer, found.goodness.explained
    (1, True)
    >>> np.sort(found.best.shape.edges_nm).round().tolist()
    [10.0, 12.0, 14.0]
    """
    known = prior or Prior()
    if question(task, (3.0, 2.0, 1.0)).equal_edges:
        known = replace(known, equal_edges=True)
    ideas = proposals(
        image, microscope, material=material, prior=known, most=_IDEAS, beam_nm=beam_nm
    )
    observation = observe(image, microscope, ideas[0].shape, beam_nm=beam_nm)

    def compared(idea: Refined) -> Comparison[Refined]:
        asked = question(task, idea.shape.edges_nm)
        return search(
            observation,
            likely_mask(idea, known, asked.log_prior),
            log_prior=asked.log_prior,
            prior=known,
            elsewhere=asked.elsewhere,
            starts=starts,
            quick=True,
        )

    def is_fair(one: Comparison[Refined]) -> bool:
        return _goodness(observation, one.fits[one.best]).beyond < _FAIR

    found: list[Comparison[Refined]] = []
    fair = False
    for idea in ideas:
        near = idea.log_likelihood > ideas[0].log_likelihood - _HOPELESS
        # With all corners free a fit can end in a lower maximum, and its pose be right all the
        # same: while noise alone does not explain what is left, the others are looked at, too.
        if not near and fair:
            break
        found.append(compared(idea))
        fair = fair or is_fair(found[-1])
    found.sort(key=_log_posterior, reverse=True)
    if not fair:
        # Poses are looked for once more, of what was found, and of the cuboid with all its corners:
        # cuts can make up for a wrong pose, and then hold it.
        shape = found[0].fits[found[0].best].shape
        medium = binned(observation, 2, _WAVES)
        poses = [
            pose
            for cuts in (shape.cuts, np.zeros(CORNERS))
            for pose in posed_anew(replace(shape, cuts=cuts), medium, apart_deg=_APART_DEG)
        ]
        found += [compared(idea) for idea in refitted(observation, poses, known)[:_AGAIN]]
        found.sort(key=_log_posterior, reverse=True)
    found = _distinct(found)
    best = found[0].fits[found[0].best]
    return Decision(
        comparisons=tuple(found),
        questions=tuple(question(task, c.fits[c.best].shape.edges_nm) for c in found),
        probability=_probability(found, task),
        goodness=_goodness(observation, best),
    )


def _log_posterior(compared: Comparison[Refined]) -> float:
    return compared.log_posterior(compared.best)


def _goodness(observation: Observation, fit: Refined) -> Goodness:
    return goodness(observation, fit.electrons, len(fit.names) + len(fit.waves_nm))


def _distinct(found: list[Comparison[Refined]]) -> list[Comparison[Refined]]:
    """Those whose best poses and edges are apart: others are the same fit under other names."""
    chosen: list[Comparison[Refined]] = []
    for compared in found:
        shape = compared.fits[compared.best].shape
        if all(are_apart(shape, c.fits[c.best].shape) for c in chosen):
            chosen.append(compared)
    return chosen


def _probability(found: list[Comparison[Refined]], task: str) -> Float:
    """Of each class: evidence times prior, added up over sets of corners and over poses.

    Which edge is the longest is for each fit to say: it need not be that of the first idea.
    """
    n_classes = 1 + int(question(task, (3.0, 2.0, 1.0)).class_of_mask.max())
    highest = found[0].log_posterior(found[0].best)
    total = np.zeros(n_classes)
    for compared in found:
        for mask, fit in compared.fits.items():
            asked = question(task, fit.shape.edges_nm)
            chance = math.exp(compared.log_posterior(mask) - highest)
            total[asked.class_of_mask[mask]] += chance
    return np.asarray(total / total.sum())
