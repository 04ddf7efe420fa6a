"""The electrons: their energy, number and directions."""

from __future__ import annotations

from stemfast import units
from stemfast.microscope.settings import Cone, EnergyKev, Positive, Settings


class Beam(Settings):
    """The electron beam.

    Parameters
    ----------
    energy_kev : float
        Kinetic energy of the electrons [keV], up to 10,000.
    current_pa : float
        Beam current at the specimen [pA].
    convergence_mrad : float
        Half angle of the cone of illumination [mrad], 0 for a parallel beam. It widens what a
        detector sees of the scattered electrons, and sets the depth of focus where
        `Probe.depth_of_focus` asks for it.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    Examples
    --------
    >>> round(Beam(energy_kev=300).wavelength_nm, 5)
    0.00197
    """

    energy_kev: EnergyKev = 200.0
    current_pa: Positive = 20.0
    convergence_mrad: Cone = 20.0

    @property
    def wavelength_nm(self) -> float:
        """Relativistic wavelength of the electrons [nm]."""
        return units.wavelength_nm(self.energy_kev)
