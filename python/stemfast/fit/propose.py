"""Where to start: cuboids that explain an image, found from the image alone.  (Being written.)"""

from __future__ import annotations

from numpy.typing import ArrayLike

from stemfast.fit.cuboid import CutCuboid
from stemfast.fit.prior import Prior
from stemfast.microscope import Microscope

__all__ = ["propose"]


def propose(
    image: ArrayLike,
    microscope: Microscope,
    *,
    material: str = "Au",
    prior: Prior | None = None,
    most: int = 3,
    beam_nm: ArrayLike | None = None,
) -> list[CutCuboid]:
    """Cuboids that may have made an image, the most likely first; each is a start for `search`.

    Their poses are apart from each other (up to the cuboid's symmetry); corners whose fitted cut
    stays at the least one are whole in them.
    """
    raise NotImplementedError
