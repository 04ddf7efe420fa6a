"""Core-shell and hollow particles: a family's members with a smaller one of the same form inside.

The inner solid is concentric, with the same axes, and k times as large as the outer one. Thickness
counts in nm of the shell's material: where T is the thickness of the outer family, p its sizes and
Λ the mean free paths,

    t = T(p) + (Λ_shell / Λ_core − 1) T(k p),    k = u / Σ p,

and a void scatters nothing, so that its factor is −1. The parameter u is the sum of the inner
solid's sizes: a length, as all parameters are, of at most Σ p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import materials
from stemfast.fit.families.shape_family import POSE, Placed, ShapeFamily
from stemfast.fit.image.likelihood import Observation
from stemfast.particles import CoreShell, Hollow
from stemfast.scattering import Collection, ScatteringCurve, strongest

if TYPE_CHECKING:
    from stemfast.microscope import Microscope
    from stemfast.particles import Particle

__all__ = ["VOID", "Shelled", "shelled"]

Float: TypeAlias = NDArray[np.float64]

#: Name of no material, for hollow particles.
VOID = "void"
_LEAST, _MOST = 1e-3, 0.98  # share of the size: none below, and the thinnest shell
_SHARES = (0.4, 0.6, 0.8)  # to start fits from


class Shelled(ShapeFamily):
    """Members of a family with a core of another material, or a void, of the same form.

    Parameters
    ----------
    outer : ShapeFamily
        Of one material.
    core : str
        Material of the core, a name that `stemfast.materials` knows, or "void".

    Attributes
    ----------
    what : str
        "core" or "void".
    contrast : float or None
        Λ_shell/Λ_core, known once the microscope and the shell's material are, see `under`;
        0 for a void.

    Raises
    ------
    TypeError, ValueError
        If the outer family has a core already, or there is no such material.

    Examples
    --------
    >>> from stemfast.fit.families.shipped import family_of
    >>> family = Shelled(family_of("cube"), "Pd")
    >>> family.name, family.parameters
    ('cube with Pd core', ('half edge', 'sum of core sizes'))
    >>> family.particle(np.array([6.0, 4.0]), "Pt").volumes
    {'Pt': 1216.0, 'Pd': 512.0}
    >>> Shelled(family_of("cube"), "palladium")
    Traceback (most recent call last):
        ...
    ValueError: core: got 'palladium', expected 'void' or the name of a material; did you mean 'Pd'?
    """

    def __init__(self, outer: ShapeFamily, core: str) -> None:
        if isinstance(outer, Shelled):
            raise TypeError(f"outer: {outer.name!r} has a {outer.what} already, expected none")
        self._outer, self.core = outer, _checked(core)
        self.what: str = VOID if core == VOID else "core"
        self.name = f"hollow {outer.name}" if core == VOID else f"{outer.name} with {core} core"
        self.parameters = (*outer.parameters, f"sum of {self.what} sizes")
        self.group, self.flat = outer.group, (outer.n,)
        self.relabellings = tuple(
            (matrix, np.append(order, outer.n)) for matrix, order in outer.relabellings
        )
        self.contrast = 0.0 if core == VOID else None
        self._curve: ScatteringCurve | None = None
        self._known: dict[tuple[str, Collection], Shelled] = {}

    @property
    def outer(self) -> ShapeFamily:
        """Family of the outer surface, and of the inner one."""
        return self._outer

    def under(self, microscopes: Sequence[Microscope], material: str) -> Shelled:
        """The same under microscopes, with a shell of a material.

        Raises
        ------
        ValueError
            If core and shell are of one material, or energies or collection angles differ.
        """
        self.check_shell(material)
        if self.core == VOID:
            return self
        collections = {scope.collection for scope in microscopes}
        if len(collections) > 1:
            raise ValueError(
                f"microscopes: {self.name!r} needs the same energy and collection angles in all "
                f"images, got {len(collections)} different ones"
            )
        key = (material, collections.pop())
        if key not in self._known:
            curves = [materials.get(one).scattering_curve(key[1]) for one in (material, self.core)]
            made = Shelled(self.outer, self.core)
            made.contrast = curves[0].mean_free_path_nm / curves[1].mean_free_path_nm
            made._curve, made._known = curves[1], self._known
            self._known[key] = made
        return self._known[key]

    def check_shell(self, material: str) -> None:
        """Refuse a shell of the core's material.

        Raises
        ------
        ValueError
            If it is.
        """
        if self.core == material:
            raise ValueError(
                f"core: got {self.core!r} in a particle of {material!r}, expected another material "
                f"or {VOID!r}"
            )

    def seen(self, observation: Observation) -> Observation:
        """The observation with the curve of the core, where that scatters most in the image."""
        if self._curve is None or strongest([observation.curve, self._curve]) is observation.curve:
            return observation
        return replace(observation, curve=self._curve)

    def highest(self, sizes_nm: Float, limit_nm: float) -> Float:
        """Largest sizes (P,) [nm]: the core stays inside the shell."""
        most = super().highest(sizes_nm, limit_nm)
        most[-1] = _MOST * sizes_nm[:-1].sum()
        return most

    def holds(self, other: ShapeFamily) -> bool:
        """True of what the outer family holds, without a core or with the same."""
        if isinstance(other, Shelled):
            return self.core == other.core and self.outer.holds(other.outer)
        return self.outer.holds(other)

    def _factor(self) -> float:
        if self.contrast is None:
            raise ValueError(f"{self.name!r}: contrast is not known, expected `under` before")
        return self.contrast - 1.0

    @staticmethod
    def share(sizes_nm: Float) -> float:
        """Inner size over outer size."""
        return float(sizes_nm[-1] / max(sizes_nm[:-1].sum(), 1e-300))

    def _solids(self, at: Placed) -> tuple[Placed, Placed | None]:
        """Outer and inner member, if there is one."""
        share, sizes = self.share(at.sizes_nm), at.sizes_nm[:-1]
        outer = replace(at, sizes_nm=sizes)
        return outer, replace(at, sizes_nm=share * sizes) if share > _LEAST else None

    def thickness(self, at: Placed, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) in nm of the shell's material, as x_nm."""
        outer, inner = self._solids(at)
        t = self.outer.thickness(outer, x_nm, y_nm)
        if inner is not None:
            t = t + self._factor() * self.outer.thickness(inner, x_nm, y_nm)
        return t

    def thickness_and_jacobian(self, at: Placed, x_nm: Float, y_nm: Float) -> tuple[Float, Float]:
        """The same and its derivatives: by a further turn [nm/rad], the place and the sizes [1]."""
        outer, inner = self._solids(at)
        t, slopes = self.outer.thickness_and_jacobian(outer, x_nm, y_nm)
        jacobian = np.concatenate([slopes, np.zeros((*t.shape, 1))], axis=-1)
        if inner is None:
            return t, jacobian
        more, by_inner = self.outer.thickness_and_jacobian(inner, x_nm, y_nm)
        factor, share = self._factor(), self.share(at.sizes_nm)
        total = outer.sizes_nm.sum()
        # Of T(k p): k ∂T/∂p_j − (k/Σp) ∂T/∂p·p by p_j, and (1/Σp) ∂T/∂p·p by u.
        by_sum = by_inner[..., POSE:] @ outer.sizes_nm / total
        jacobian[..., :POSE] += factor * by_inner[..., :POSE]
        jacobian[..., POSE:-1] += factor * share * (by_inner[..., POSE:] - by_sum[..., None])
        jacobian[..., -1] = factor * by_sum
        return t + factor * more, jacobian

    def measures(self, sizes_nm: Float) -> dict[str, float]:
        """Measures of the outer solid, its volume with all that is inside."""
        return self.outer.measures(np.asarray(sizes_nm)[:-1])

    def inside(self, sizes_nm: Float) -> dict[str, float]:
        """Sizes [nm] of the inner solid, and the volumes of it and of the shell [nm³]."""
        share, sizes = self.share(sizes_nm), sizes_nm[:-1]
        names = [f"{self.what} {name}" for name in self.outer.parameters]
        whole = self.measures(sizes_nm)["volume"]
        return {
            **dict(zip(names, (share * sizes).tolist(), strict=True)),
            f"{self.what} volume": share**3 * whole,
            "shell volume": (1.0 - share**3) * whole,
        }

    def seen_volume(self, sizes_nm: Float) -> float:
        """Volume of the shell's material that would scatter as much [nm³]."""
        whole = self.measures(sizes_nm)["volume"]
        return whole * (1.0 + self._factor() * self.share(sizes_nm) ** 3)

    def particle(self, sizes_nm: Float, material: str = "Au") -> Particle:
        """A member as a particle, its shell of a material."""
        share, sizes = self.share(sizes_nm), np.asarray(sizes_nm)[:-1]
        outer = self.outer.particle(sizes, material)
        if share <= _LEAST:
            return outer
        if self.core == VOID:
            return Hollow(outer, void=self.outer.particle(share * sizes))
        return CoreShell(core=self.outer.particle(share * sizes, self.core), shell=outer)

    def shapes(self) -> Float:
        """Sizes (m, P) of members that scatter as 1 nm³ of the shell's material."""
        found = []
        for sizes in self.outer.shapes():
            for share in _SHARES:
                both = np.append(sizes, share * sizes.sum())
                found.append(both / np.cbrt(self.seen_volume(both)))
        return np.array(found)


@lru_cache(maxsize=128)
def shelled(outer: ShapeFamily, core: str) -> Shelled:
    """The family of a core in an outer one, the same object each time, so that templates stay."""
    return Shelled(outer, core)


def _checked(core: str) -> str:
    if not isinstance(core, str):
        raise TypeError(f"core: got {type(core).__name__}, expected a name")
    if core != VOID:
        try:
            materials.get(core)
        except ValueError as error:
            hint = str(error).partition("did you mean ")[2].partition("?")[0]
            words = f"; did you mean {hint}?" if hint else f": {', '.join(materials.names())}"
            raise ValueError(
                f"core: got {core!r}, expected {VOID!r} or the name of a material{words}"
            ) from None
    return core
