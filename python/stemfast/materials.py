"""Materials, and how strongly they scatter onto a detector."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import scattering, units
from stemfast.arguments import positive_number
from stemfast.scattering import Collection, ScatteringCurve

# Standard atomic weights [g/mol], in order of Z from hydrogen to uranium, abridged as in
# T. Prohaska et al., Pure Appl. Chem. 94, 573 (2022), doi:10.1515/pac-2019-0603. Elements
# without stable isotopes carry the mass number of their longest-lived one.
_WEIGHTS: Final = """
H 1.008 He 4.0026 Li 6.94 Be 9.0122 B 10.81 C 12.011 N 14.007 O 15.999 F 18.998 Ne 20.180
Na 22.990 Mg 24.305 Al 26.982 Si 28.085 P 30.974 S 32.06 Cl 35.45 Ar 39.95 K 39.098 Ca 40.078
Sc 44.956 Ti 47.867 V 50.942 Cr 51.996 Mn 54.938 Fe 55.845 Co 58.933 Ni 58.693 Cu 63.546
Zn 65.38 Ga 69.723 Ge 72.630 As 74.922 Se 78.971 Br 79.904 Kr 83.798 Rb 85.468 Sr 87.62
Y 88.906 Zr 91.224 Nb 92.906 Mo 95.95 Tc 97 Ru 101.07 Rh 102.91 Pd 106.42 Ag 107.87 Cd 112.41
In 114.82 Sn 118.71 Sb 121.76 Te 127.60 I 126.90 Xe 131.29 Cs 132.91 Ba 137.33 La 138.91
Ce 140.12 Pr 140.91 Nd 144.24 Pm 145 Sm 150.36 Eu 151.96 Gd 157.25 Tb 158.93 Dy 162.50
Ho 164.93 Er 167.26 Tm 168.93 Yb 173.05 Lu 174.97 Hf 178.49 Ta 180.95 W 183.84 Re 186.21
Os 190.23 Ir 192.22 Pt 195.08 Au 196.97 Hg 200.59 Tl 204.38 Pb 207.2 Bi 208.98 Po 209 At 210
Rn 222 Fr 223 Ra 226 Ac 227 Th 232.04 Pa 231.04 U 238.03
"""

#: Atomic number and atomic weight [g/mol] of each element, by symbol.
ELEMENTS: Final[dict[str, tuple[int, float]]] = {
    symbol: (number, float(weight))
    for number, (symbol, weight) in enumerate(
        zip(_WEIGHTS.split()[::2], _WEIGHTS.split()[1::2], strict=True), start=1
    )
}

_FORMULA_PART: Final = re.compile(r"([A-Z][a-z]?)(\d+(?:\.\d+)?)?")


def _parse_formula(formula: str) -> tuple[tuple[str, float], ...]:
    if not isinstance(formula, str):
        raise TypeError(f"composition must be a formula such as 'CeO2', got {formula!r}")
    parts: list[tuple[str, float]] = []
    position = 0
    for match in _FORMULA_PART.finditer(formula):
        symbol, digits = match.groups()
        count = float(digits) if digits else 1.0
        if match.start() != position or symbol not in ELEMENTS or count <= 0.0:
            break
        parts.append((symbol, count))
        position = match.end()
    if not parts or position != len(formula):
        raise ValueError(
            "composition must be element symbols, each with an optional positive count, such as "
            f"'CeO2' or 'Au0.7Ag0.3'; got {formula!r}, which stops making sense at "
            f"{formula[position:]!r}"
        )
    return tuple(parts)


@dataclass(frozen=True)
class Material:
    """A substance: what it is made of and how dense it is.

    Parameters
    ----------
    name : str
        What to call it.
    density_g_cm3 : float
        Mass density [g/cm³].
    composition : str
        Chemical formula, e.g. ``"CeO2"`` or ``"Au0.7Ag0.3"``. No brackets.

    Raises
    ------
    ValueError
        If the density is not positive and finite, or the formula cannot be read.

    Examples
    --------
    >>> ceria = Material("ceria", density_g_cm3=7.22, composition="CeO2")
    >>> ceria.elements
    (('Ce', 1.0), ('O', 2.0))
    >>> round(ceria.molar_mass_g_mol, 2)
    172.12
    """

    name: str
    density_g_cm3: float
    composition: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"name must be a non-empty string, got {self.name!r}")
        density = positive_number("density_g_cm3", self.density_g_cm3)
        object.__setattr__(self, "density_g_cm3", density)
        _parse_formula(self.composition)

    @property
    def elements(self) -> tuple[tuple[str, float], ...]:
        """Symbol and count of each element in the formula, in the order written."""
        return _parse_formula(self.composition)

    @property
    def molar_mass_g_mol(self) -> float:
        """Mass of one mole of formula units [g/mol]."""
        return sum(count * ELEMENTS[symbol][1] for symbol, count in self.elements)

    @property
    def atoms(self) -> tuple[tuple[int, float], ...]:
        """Atomic number and atoms per nm³ of each element, in the order written."""
        # Formula units per nm³: 1 cm³ = 1e21 nm³.
        units_per_nm3 = self.density_g_cm3 / self.molar_mass_g_mol * units.AVOGADRO_PER_MOL * 1e-21
        return tuple((ELEMENTS[s][0], count * units_per_nm3) for s, count in self.elements)

    def scattering_curve(self, collection: Collection) -> ScatteringCurve:
        """Scattered fraction as a function of thickness, as images have it.

        Parameters
        ----------
        collection : Collection
            Energy, illumination and angles of the detector.

        Returns
        -------
        ScatteringCurve
        """
        return scattering.scattering_curve(self.atoms, collection)

    def mean_free_path_nm(
        self,
        energy_kev: float,
        inner_mrad: float,
        outer_mrad: float,
        convergence_mrad: float = 20.0,
    ) -> float:
        """Mean free path of a thin layer for scattering into a detector annulus, Λ = 1 / Σ N σ.

        σ is the cross-section of each element in the eikonal approximation, with Lobato's
        potential, averaged over the cone of illumination (`stemfast.scattering`).

        Parameters
        ----------
        energy_kev : float
            Beam energy [keV].
        inner_mrad, outer_mrad : float
            Inner and outer semi-angle of the detector [mrad]; an infinite outer one for all that
            is scattered beyond the inner.
        convergence_mrad : float
            Half angle of the illumination [mrad], 0 for a parallel beam.

        Returns
        -------
        float
            Mean free path [nm], rounded to 7 digits: a thin film of thickness t scatters the
            fraction t/Λ.

        Raises
        ------
        ValueError
            If a number is out of range or not finite, or the cone of illumination reaches the
            detector.

        Examples
        --------
        >>> gold = get("Au").mean_free_path_nm(energy_kev=200, inner_mrad=60, outer_mrad=200)
        >>> print(f"{gold:.1f} nm")
        103.1 nm
        """
        collection = Collection(energy_kev, inner_mrad, outer_mrad, convergence_mrad)
        return self.scattering_curve(collection).mean_free_path_nm

    def scattered_fraction(
        self,
        thickness_nm: ArrayLike,
        energy_kev: float,
        inner_mrad: float,
        outer_mrad: float,
        convergence_mrad: float = 20.0,
    ) -> NDArray[np.float64]:
        """Fraction of the beam that an amorphous layer scatters into a detector annulus.

        The transport integral itself (`stemfast.scattering.scattered_fraction`), plural
        scattering included; images have it within 0.6 % up to the thickness where it is largest.

        Parameters
        ----------
        thickness_nm : array_like
            Thickness [nm], not negative.
        energy_kev, inner_mrad, outer_mrad, convergence_mrad
            As for `mean_free_path_nm`.

        Returns
        -------
        ndarray of float64
            In the shape of `thickness_nm`.

        Raises
        ------
        ValueError
            As for `mean_free_path_nm`, or if a thickness is negative or not finite.

        Examples
        --------
        >>> get("Au").scattered_fraction([1, 10, 40], 200, 60, 200).round(3).tolist()
        [0.01, 0.096, 0.332]
        """
        thickness = np.asarray(thickness_nm, np.float64)
        if not (np.isfinite(thickness) & (thickness >= 0.0)).all():
            raise ValueError(f"thickness_nm must be finite and not negative, got {thickness_nm!r}")
        collection = Collection(energy_kev, inner_mrad, outer_mrad, convergence_mrad)
        return scattering.scattered_fraction([(self.atoms, thickness)], collection)


def cross_section_nm2(
    atomic_number: int,
    energy_kev: float,
    inner_mrad: float,
    outer_mrad: float,
    convergence_mrad: float = 20.0,
) -> float:
    """Cross-section of one atom for an annular detector, in the eikonal approximation.

    Parameters
    ----------
    atomic_number : int
        Z, 1 … 103.
    energy_kev, inner_mrad, outer_mrad, convergence_mrad
        As for `Material.mean_free_path_nm`.

    Returns
    -------
    float
        Cross-section [nm²].

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> ratio = cross_section_nm2(79, 200, 60, 200) / cross_section_nm2(6, 200, 60, 200)
    >>> print(f"gold scatters {ratio:.0f} times as strongly as carbon, atom for atom")
    gold scatters 90 times as strongly as carbon, atom for atom
    """
    collection = Collection(energy_kev, inner_mrad, outer_mrad, convergence_mrad)
    return scattering.cross_section_nm2(atomic_number, collection)


#: Densities [g/cm³] at room temperature, after the CRC Handbook of Chemistry and Physics.
#: Carbon is the amorphous film that particles lie on, silica is fused.
_DENSITIES: Final[dict[str, float]] = {
    "Au": 19.3,
    "Ag": 10.49,
    "Pt": 21.45,
    "Pd": 12.02,
    "Rh": 12.41,
    "Ir": 22.56,
    "Ru": 12.45,
    "Cu": 8.96,
    "Ni": 8.90,
    "Co": 8.86,
    "Fe": 7.874,
    "Ti": 4.506,
    "Mo": 10.2,
    "W": 19.3,
    "Bi": 9.79,
    "Sn": 7.287,
    "Al": 2.70,
    "Mg": 1.74,
    "Si": 2.3296,
    "Ge": 5.323,
    "C": 2.0,
    "CeO2": 7.215,
    "TiO2": 4.23,
    "SiO2": 2.2,
    "Al2O3": 3.97,
    "ZrO2": 5.68,
    "MgO": 3.6,
    "ZnO": 5.6,
    "Cu2O": 6.0,
    "Fe2O3": 5.25,
    "Fe3O4": 5.17,
    "Si3N4": 3.17,
    "PbS": 7.60,
    "PbSe": 8.1,
    "PbTe": 8.164,
    "CdS": 4.826,
    "CdSe": 5.81,
    "CdTe": 5.85,
    "GaAs": 5.3176,
}

#: English names, for who writes one in place of the formula.
_NAMED: Final[dict[str, str]] = {
    "gold": "Au",
    "silver": "Ag",
    "platinum": "Pt",
    "palladium": "Pd",
    "rhodium": "Rh",
    "iridium": "Ir",
    "ruthenium": "Ru",
    "copper": "Cu",
    "nickel": "Ni",
    "cobalt": "Co",
    "iron": "Fe",
    "titanium": "Ti",
    "carbon": "C",
    "silicon": "Si",
    "ceria": "CeO2",
    "titania": "TiO2",
    "silica": "SiO2",
    "alumina": "Al2O3",
    "zirconia": "ZrO2",
    "magnetite": "Fe3O4",
}

_TABLE: Final[dict[str, Material]] = {
    name: Material(name, density, name) for name, density in _DENSITIES.items()
}


def get(material: str | Material) -> Material:
    """Look a material up by name; a `Material` passes through.

    Parameters
    ----------
    material : str or Material
        A name from `names`, or a material of your own.

    Returns
    -------
    Material

    Raises
    ------
    ValueError
        If there is no material of that name.
    TypeError
        If the argument is neither a string nor a `Material`.

    Examples
    --------
    >>> get("Pd").density_g_cm3
    12.02
    """
    if isinstance(material, Material):
        return material
    if not isinstance(material, str):
        raise TypeError(f"material must be a name or a Material, got {material!r}")
    if material in _TABLE:
        return _TABLE[material]
    near = [name for name in _TABLE if name.lower() == material.lower()]
    near = near or [_NAMED[word] for word in [material.lower()] if word in _NAMED]
    near = near or difflib.get_close_matches(material, _TABLE, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(
        f"material {material!r} is not in the table ({', '.join(_TABLE)}); {hint}"
        "For anything else pass stemfast.Material(name, density_g_cm3, composition)"
    )


def names() -> tuple[str, ...]:
    """Names that `get` knows.

    Examples
    --------
    >>> "Au" in names()
    True
    """
    return tuple(_TABLE)
