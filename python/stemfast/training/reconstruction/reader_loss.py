"""Loss of the reader of single images: arrows, corners at their ends, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from stemfast.models.corner_evidence import flips, log_mask_prior
from stemfast.models.view_reader import LENGTH_PX, Found, mask_bits, to_double_angle
from stemfast.symmetry.corner_questions import axis_orders
from stemfast.training.reconstruction.truth import view_truth

__all__ = [
    "ReaderTruth",
    "first_look",
    "reader_loss",
    "reader_truth",
    "reordered",
]

#: Error of the arrows and centres that are shown early in training [px].
_SHOWN_SD_PX = 2.0
_LOG_SD = (-4.0, 3.0)
Numbers: TypeAlias = NDArray[Any] | jax.Array


class ReaderTruth(NamedTuple):
    """Of N single images; lengths in pixels.

    Attributes
    ----------
    arrows : (N, 3, 2) float32
        Half edges in the image, longest first.
    centre : (N, 2) float32
        Place of the particle from the middle of the image, x and y.
    mask : (N,) int32
        Deformed corners, numbered by these arrows.
    severity : (N, 8) float32
        Of each corner.
    log_edges : (N, 3) float32
        Logarithm of the edges [nm].
    """

    arrows: Numbers
    centre: Numbers
    mask: Numbers
    severity: Numbers
    log_edges: Numbers


def reader_truth(columns: Mapping[str, NDArray[Any]], pixel_size_nm: float) -> ReaderTruth:
    """The truth of single images, from the columns of a recipe of cuboids with one view."""
    truth = view_truth(columns, 1, volume=False)
    return ReaderTruth(
        arrows=truth.half_edges[:, 0, :, :2] / np.float32(pixel_size_nm),
        centre=truth.centre[:, 0] / np.float32(pixel_size_nm),
        mask=truth.mask,
        severity=truth.whole.severity,
        log_edges=truth.whole.log_edges,
    )


def first_look(
    truth: ReaderTruth, key: jax.Array, early: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Places read in half of the images early in training: near their true corners.

    So corners are learnt before arrows are. See `shown` of :meth:`ViewReader.look`.

    Parameters
    ----------
    truth : ReaderTruth
        Of N images.
    key : jax.Array
        Of the random errors of what is shown.
    early : () bool
        Whether this step is one of the early ones.
    """
    count = len(truth.centre)
    about = _SHOWN_SD_PX * jax.random.normal(key, (count, 4, 2))
    return (
        (jnp.arange(count) % 2 == 0) & early,
        jnp.asarray(truth.centre) + about[:, 3],
        _canonical(jnp.asarray(truth.arrows) + about[:, :3]),
    )


def _canonical(arrows: jax.Array) -> jax.Array:
    """Arrows (N, 3, 2) with the signs that the reader gives: to the right."""
    return arrows * jnp.where(arrows[..., :1] < 0, -1.0, 1.0)


def reordered(truth: ReaderTruth, arrows: jax.Array) -> ReaderTruth:
    """The truth with its axes in the order in which they fit arrows (N, 3, 2) best.

    For questions whose answer does not depend on which edge is the longest: where two edges are
    alike, no image says which of them comes first.
    """
    orders, before = (jnp.asarray(table) for table in axis_orders())
    own = jnp.asarray(truth.arrows)[:, orders]  # (N, 6, 3, 2)
    found = arrows[:, None]
    miss = jnp.minimum(((found - own) ** 2).sum(axis=3), ((found + own) ** 2).sum(axis=3))
    best = jax.lax.stop_gradient(miss.sum(axis=2)).argmin(axis=1)
    order, corner = orders[best], before[best]
    mask = ((jnp.asarray(truth.mask)[:, None] >> corner & 1) << jnp.arange(8)).sum(axis=1)
    return truth._replace(
        arrows=jnp.take_along_axis(jnp.asarray(truth.arrows), order[..., None], axis=1),
        mask=mask,
        severity=jnp.take_along_axis(jnp.asarray(truth.severity), corner, axis=1),
        log_edges=jnp.take_along_axis(jnp.asarray(truth.log_edges), order, axis=1),
    )


def _bowl(error: jax.Array) -> jax.Array:
    """Square near 0, straight beyond 1."""
    size = jnp.abs(error)
    return jnp.where(size < 1.0, 0.5 * size**2, size - 0.5)


def _surprise(error: jax.Array, log_sd: jax.Array) -> jax.Array:
    log_sd = jnp.clip(log_sd, *_LOG_SD)
    return 0.5 * jnp.square(error) * jnp.exp(-2.0 * log_sd) + log_sd


def reader_loss(
    found: Found,
    truth: ReaderTruth,
    pixel_size_nm: jax.Array,
    *,
    prior: NDArray[np.float32] | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean loss over N images, and its parts.

    The truth is numbered anew by the arrows as found, whichever signs those have.

    Parameters
    ----------
    found : Found
        What the reader found.
    truth : ReaderTruth
        What is so.
    pixel_size_nm : (N,)
        Pixel sizes.
    prior : (256,), optional
        Logarithm of the chance of each choice of corners; if not given, all numbers of corners and
        all choices of one number are alike.

    Returns
    -------
    loss : ()
        Weighted sum of the parts.
    parts : dict of str to ()
        "mask", the surprise at the deformed corners, and "arrows", "centre", "severity", "edges";
        "count" the share of images whose number of corners is right.
    """
    reading = found.reading
    backward = (found.arrows * jnp.asarray(truth.arrows)).sum(axis=2) < 0
    signs = jnp.where(backward, -1.0, 1.0)
    flip = (backward * jnp.array([1, 2, 4])).sum(axis=1)
    target = jnp.asarray(flips())[flip, jnp.asarray(truth.mask)]
    corner = jnp.arange(8)[None, :] ^ flip[:, None]
    severity = jnp.take_along_axis(jnp.asarray(truth.severity), corner, axis=1)

    chances = jax.nn.log_softmax(reading.masks + (log_mask_prior() if prior is None else prior))
    surprise = -jnp.take_along_axis(chances, target[:, None], axis=1)[:, 0]
    error = found.arrows - signs[..., None] * truth.arrows
    log_sd = reading.arrows_log_sd - jnp.log(pixel_size_nm)[:, None]
    arrows = _surprise(error, log_sd[..., None]).sum(axis=(1, 2))
    bowls = _bowl(error / 2.0).sum(axis=(1, 2))
    first = _bowl(4.0 * (found.first - to_double_angle(jnp.asarray(truth.arrows)) / LENGTH_PX))
    deformed = severity > 0
    depth = jnp.where(deformed, _surprise(reading.severity - severity, reading.severity_sd), 0.0)
    parts = {
        "mask": surprise.mean(),
        "arrows": (0.1 * arrows + 0.5 * bowls + first.sum(axis=(1, 2))).mean(),
        "centre": _bowl((found.centre - truth.centre) / 2.0).sum(axis=1).mean(),
        "severity": 0.1 * depth.sum(axis=1).mean(),
        "edges": 0.2
        * _surprise(reading.log_edges - truth.log_edges, reading.log_edges_sd).sum(axis=1).mean(),
    }
    loss = jnp.stack(list(parts.values())).sum()
    number = mask_bits().sum(axis=1).astype(int)
    by_number = jnp.exp(chances) @ jax.nn.one_hot(number, 9)
    right = by_number.argmax(axis=1) == jnp.asarray(number)[target]
    return loss, parts | {
        "count": right.mean(),
        "arrow_nm": jnp.sqrt(jnp.median(jnp.square(error).mean(axis=2))) * pixel_size_nm.mean(),
    }
