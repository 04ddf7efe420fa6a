"""The loss of a set network on a batch of readings."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from stemfast.training.reconstruction.loss import ground_truth_loss
from stemfast.training.step import Seen

__all__ = ["set_loss"]


def set_loss(network: Any, reading: Any, views: Any, truth: Any) -> tuple[jax.Array, Seen]:
    """Loss of a set network, and what was seen.

    Handedness is asked for where two or more turns are known, or a spin. Severities follow from the
    readings where the network multiplies evidence; then nothing in it would learn from them.
    """
    answer = network(reading, views)
    spins = views.spin_known & views.there & (jnp.abs(views.spin[..., :2]).sum(axis=2) > 0)
    hand_known = ((views.turn_known & views.there).sum(axis=1) >= 2) | spins.any(axis=1)
    loss, parts = ground_truth_loss(answer, truth, hand_known)
    if network.config.evidence:
        loss = loss - parts["severity"]
    right = (answer.number.argmax(axis=1) == jnp.asarray(truth.number)).sum()
    return loss, Seen(parts["orbit"], loss - parts["orbit"], right)
