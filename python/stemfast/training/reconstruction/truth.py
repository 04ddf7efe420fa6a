"""The truth of simulated views, in the frame of the sorted edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfast.training.reconstruction.loss import Targets, targets

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = ["ViewTruth", "spins_of", "view_truth", "volumes"]

COLUMNS = ("edges_nm", "corner_mask", "severity", "displaced", "orientation_xyzw", "position_nm")


class ViewTruth(NamedTuple):
    """Of B particles in K views each.

    Attributes
    ----------
    whole : Targets
        What the set network is taught.
    mask : (B,) int32
        Deformed corners in the right-handed frame of the sorted edges.
    half_edges : (B, K, 3, 3) float32
        Half edges as the views show them, longest first; x, y, z [nm].
    centre : (B, K, 2) float32
        Place of the particle [nm].
    turn : (B, K, 3, 3) float32
        Rotation of each view.
    """

    whole: Targets
    mask: NDArray[np.int32]
    half_edges: NDArray[np.float32]
    centre: NDArray[np.float32]
    turn: NDArray[np.float32]


def volumes(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Volumes (B,) of cuboids with truncated corners [nm³].

    A cut at the share f of three edges takes away f³/6 of the box; up to one half, no two cuts
    meet.

    Raises
    ------
    ValueError
        If a corner is displaced instead, or cut further.
    """
    depth = np.asarray(columns["severity"], np.float64)
    if bool(np.any(columns["displaced"])) or depth.max(initial=0.0) > 0.5:
        raise ValueError(
            "particle.displaced_share and particle.severity: expected corners that are cut, by "
            "at most 0.5, not displaced; the ground-truth network learns those"
        )
    box = np.asarray(columns["edges_nm"], np.float64).prod(axis=1)
    return np.asarray(box * (1.0 - (depth**3).sum(axis=1) / 6.0))


def view_truth(
    columns: Mapping[str, NDArray[Any]], views: int, *, volume: bool = True
) -> ViewTruth:
    """The truth of a batch, from its columns.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Columns of a batch of a recipe of cuboids, such as ``ground-truth`` or ``handedness``.
    views : int
        Images of each particle.
    volume : bool
        Whether the volume is wanted, which is known of corners that are cut; 1 nm³ if not.
    """
    from scipy.spatial.transform import Rotation

    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise ValueError(f"the recipe draws no {', '.join(missing)}: expected one of cuboids")
    edges = np.asarray(columns["edges_nm"], np.float64)
    batch = len(edges)
    turn = Rotation.from_quat(np.asarray(columns["orientation_xyzw"]).reshape(-1, 4)).as_matrix()
    turn = turn.reshape(batch, views, 3, 3)
    half = 0.5 * turn * edges[:, None, None, :]
    order = np.argsort(-edges, axis=1, kind="stable")
    half = np.take_along_axis(half, order[:, None, None, :], axis=3)
    # An odd exchange of axes would leave a left-handed frame; the inversion rights it.
    half = half * np.sign(np.linalg.det(half))[..., None, None]
    volume_nm3 = volumes(columns) if volume else np.ones(batch)
    whole = targets(edges, columns["severity"], volume_nm3)
    mask = ((whole.severity > 0) * (1 << np.arange(8))).sum(axis=1)
    position = np.asarray(columns["position_nm"]).reshape(batch, views, 3)
    return ViewTruth(
        whole=whole,
        mask=mask.astype(np.int32),
        half_edges=np.swapaxes(half, 2, 3).astype(np.float32),
        centre=position[..., :2].astype(np.float32),
        turn=turn.astype(np.float32),
    )


def spins_of(recipe: Recipe, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Rotation vectors (B, K, 3) of the particles during a frame [rad], zero at rest.

    Parameters
    ----------
    recipe : Recipe
        Where the batch is from.
    columns : mapping of str to ndarray
        Columns of the batch.
    """
    dwell = np.asarray(columns["dwell_us"], np.float64)
    if "spin_rad_s" not in columns:
        return np.zeros((len(dwell), recipe.views, 3), np.float32)
    seconds = recipe.imaging.frame_s(dwell, recipe.image_px)
    rate = np.asarray(columns["spin_rad_s"]).reshape(len(dwell), recipe.views, 3)
    turned: NDArray[np.float32] = (rate * seconds[:, None, None]).astype(np.float32)
    return turned
