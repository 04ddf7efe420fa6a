"""The angle that the bright-field detector collects."""

from __future__ import annotations

from stemfast.microscope.settings import Angle, Settings


class BrightField(Settings):
    """The bright-field detector: the disc in the middle of the diffraction plane.

    It collects what is not scattered past its edge, so that particles are dark on a bright ground.
    Contrast is that of mass and thickness alone, by the same cross-sections as the dark field's;
    interference of the beams in the disc, which makes lattice fringes and the grain of a film, is
    left out, and so are inelastic losses.

    Parameters
    ----------
    outer_mrad : float
        Outer semi-angle [mrad], at least the beam's convergence angle.

    Raises
    ------
    ValueError
        If the angle is not between 0 and 1000, or a setting is unknown.

    Examples
    --------
    >>> import stemfast as sf
    >>> scope = sf.Microscope(bright_field=BrightField(outer_mrad=25))
    >>> image = sf.simulate(sf.Cuboid((20, 20, 20)), None, scope, seed=1)
    >>> bool(image[64, 64] < image[0, 0])
    True
    """

    outer_mrad: Angle = 20.0
