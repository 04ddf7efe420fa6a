"""Recipe of fields: settings, and the drawing of one field from a seed and an index."""

from __future__ import annotations

import math
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import Field as Setting
from pydantic import ValidationError

from stemfast.arguments import index as checked_index
from stemfast.arguments import seed_value
from stemfast.fields.chance import Chance
from stemfast.fields.contrast import taken
from stemfast.fields.field import Field
from stemfast.fields.laboratory import Laboratory, as_filed
from stemfast.fields.limits import (
    KINDS,
    LARGEST_SHARE,
    MOST,
    Kind,
    KnownMaterial,
    KnownShape,
    check_support,
    typical_nm,
)
from stemfast.fields.population import LARGE, METALS, Habit, populated
from stemfast.fields.scene import Plan, depth_maps, fringes, optics
from stemfast.fields.supports import SUPPORTS
from stemfast.fields.truth import judged
from stemfast.recipes.settings import (
    Group,
    LogRange,
    NotNegative,
    Positive,
    Range,
    Share,
    Whole,
    explained,
)
from stemfast.scattering import Collection

__all__ = ["FieldRecipe"]


class FieldRecipe(Group):
    """A distribution of fields of many particles, with the truth of each of them.

    Parameters
    ----------
    kinds : tuple of str
        Kinds of field, one drawn for each: "monolayer" (nearly equal particles side by side),
        "carbon-black", "silica", "powder", "alumina", "zeolite", "graphene" (particles on that
        support; powder is a porous aggregate of grains as small as the particles), "sparse" (on
        a film), "large" (a few particles that fill much of the field), "rods" (4 to 20 times as
        long as wide, lying across each other). A kind that is named twice comes twice as often.
    rows, columns : int
        Size of the images [px].
    diameter_px : (float, float)
        Range of the median diameter of the particles, logarithmic [px]. At most 0.3 of the shorter
        side is drawn; of "large" ones, between 0.12 and 0.7 of it.
    diameter_nm : (float, float), optional
        The same [nm]; sets the pixel size. By default 1.5 to 12 nm on supports, 4 to 80 nm in
        monolayers, 2 to 60 nm on films, 30 to 400 nm of large ones.
    cover : (float, float)
        Share of the field that particles cover, overlaps counted twice, logarithmic; monolayers
        and large particles cover 0.15 to 0.75. A field has 2 to 3000 particles.
    sigma, even_sigma : (float, float)
        Ranges of the standard deviation of the logarithm of the particles' diameters: the second
        of monolayers and large ones, logarithmic.
    brightness_sigma : (float, float)
        Range of the standard deviation of the logarithm of the particles' brightness, a stand-in
        for what their orientation does; no physics.
    mottled : float
        Share of the fields whose particles are uneven inside, as porous, partly crystalline or
        bent ones are.
    mottling : (float, float)
        Range of the relative standard deviation of their thickness, logarithmic.
    shapes : tuple of str
        Classes of particles, of `stemfast.fields.shapes.CLASSES`: one is drawn for each particle,
        and in half of the fields they rest on their faces. By default a field has the few classes
        that its kind suggests.
    materials, large_materials : tuple of str
        Names in `stemfast.materials`, one drawn for a field; the second of "large" ones.
    support_diameter_nm : (float, float), optional
        Range of the median diameter of primary spheres and needles and of the thickness of
        plates, logarithmic [nm]. By default it goes with the particles' size.
    contaminated : float
        Share of the fields whose particles are covered by carbon, as hydrocarbons grow under the
        beam. It belongs to no particle's label, and particles of carbon have none.
    contamination_nm : (float, float)
        Range of its thickness, logarithmic; the same for all particles of a field [nm].
    least_seen : float
        Share of a particle that no other may lie over if it is to count as visible.
    best_signal_to_noise : float
        Largest signal of one pixel of a typical particle over its noise, 1 or more. The ratio is
        drawn in the logarithm from what shows a whole particle with a ratio of 5 up to this.
    widest_probe : float
        In two fields of five the probe is at least 0.03 to this share of the typical particle wide.
    jittered : float
        Share of the fields whose rows are shifted along the fast scan axis, each by itself.
    row_jitter_px : (float, float)
        Range of the standard deviation of these shifts, logarithmic [px].
    bright_field : float
        Share of the fields taken in bright field; the others are annular dark field.
    empty : float
        Share of the fields without any particle.
    laboratory : float
        Share of the fields that go through the last stage, as files of a laboratory.
    laboratory_ranges : Laboratory
        Ranges and shares of that stage.
    energy_kev : float
        [keV].
    inner_mrad, outer_mrad : float
        Annular detector [mrad].
    convergence_mrad : float
        Half angle of the illumination in dark field [mrad]; bright field has a parallel beam.
    aperture_mrad : float
        Collection angle in bright field [mrad].

    Raises
    ------
    ValueError
        For unknown settings, kinds or materials, values out of range, or a support that is larger
        than every field. A support that is larger than some of them gives a warning.

    Examples
    --------
    >>> recipe = FieldRecipe(kinds=("carbon-black",), rows=128, columns=160)
    >>> field = recipe.draw(seed=1, index=0)
    >>> field.image.shape, int(field.labels.max()) == len(field.truth)
    ((128, 160), True)
    """

    kinds: tuple[Kind, ...] = KINDS
    rows: Annotated[Whole, Setting(ge=32, le=8192)] = 512
    columns: Annotated[Whole, Setting(ge=32, le=8192)] = 512
    diameter_px: LogRange = (8.0, 60.0)
    diameter_nm: LogRange | None = None
    cover: LogRange = (0.01, 0.3)
    sigma: Range = (0.1, 0.45)
    even_sigma: LogRange = (0.02, 0.15)
    brightness_sigma: Range = (0.0, 0.35)
    mottled: Share = 0.15
    mottling: LogRange = (0.08, 0.5)
    shapes: tuple[KnownShape, ...] = ()
    materials: Annotated[tuple[KnownMaterial, ...], Setting(min_length=1)] = METALS
    large_materials: Annotated[tuple[KnownMaterial, ...], Setting(min_length=1)] = LARGE
    support_diameter_nm: LogRange | None = None
    contaminated: Share = 0.0
    contamination_nm: LogRange = (0.5, 5.0)
    least_seen: Share = 0.35
    best_signal_to_noise: Annotated[float, Setting(strict=True, ge=1, le=1e3)] = 12.0
    widest_probe: Annotated[float, Setting(strict=True, ge=0.03, le=2)] = 0.4
    jittered: Share = 0.0
    row_jitter_px: LogRange = (0.1, 1.0)
    bright_field: Share = 0.35
    empty: Share = 0.06
    laboratory: Share = 0.8
    laboratory_ranges: Laboratory = Laboratory()
    energy_kev: Positive = 200.0
    inner_mrad: NotNegative = 60.0
    outer_mrad: Positive = 200.0
    convergence_mrad: NotNegative = 20.0
    aperture_mrad: Positive = 10.0

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(explained("field", type(self), error)) from None
        if not self.kinds:
            raise ValueError(f"recipe field: kinds is empty, expected some of {', '.join(KINDS)}")
        try:
            self.collection(bright_field=False)
        except ValueError as error:
            raise ValueError(f"recipe field: {error}") from None
        if any(kind in SUPPORTS for kind in self.kinds):
            catalysts = self.diameter_nm or typical_nm("carbon-black")
            check_support(self.support_diameter_nm, self.shape, self.diameter_px, catalysts)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    def collection(self, *, bright_field: bool) -> Collection:
        """Angles within which electrons count as scattered."""
        if bright_field:
            return Collection(self.energy_kev, self.aperture_mrad, math.inf, 0.0)
        return Collection(self.energy_kev, self.inner_mrad, self.outer_mrad, self.convergence_mrad)

    def draw(self, seed: int, index: int) -> Field:
        """Draw one field; the same for the same seed and index, whatever was drawn before.

        Parameters
        ----------
        seed : int
            0 … 2^64 − 1.
        index : int
            Number of the field.

        Returns
        -------
        Field

        Raises
        ------
        TypeError, ValueError
            If an argument is not a whole number in its range.
        """
        chance = Chance(seed_value(seed), checked_index("index", index, maximum=2**48))
        plan = _planned(self, chance)
        extent = (self.rows * plan.pixel_nm, self.columns * plan.pixel_nm)
        maker = SUPPORTS.get(plan.kind)
        wide = self.support_diameter_nm
        support = None if maker is None else maker(chance, extent, plan.diameter_nm, wide)
        people = populated(
            chance,
            extent,
            kind="supported" if support is not None else plan.kind,
            support=support,
            diameter_nm=plan.diameter_nm,
            count=plan.count,
            habit=Habit(
                self.materials,
                self.large_materials,
                self.sigma,
                self.even_sigma,
                self.brightness_sigma,
                self.shapes,
            ),
        )
        mottling = chance.between_log(*self.mottling) if chance.happens(self.mottled) else 0.0
        depths, windows = depth_maps(chance, plan, support, people, mottling)
        conditions = optics(chance, plan, depths, windows)
        fringe = fringes(chance, self.shape, windows) if conditions.fringes > 0.0 else None
        counts = taken(chance, depths, fringe, conditions)
        truth, labels = judged(people, windows, depths, conditions, self.least_seen)
        filed = chance.happens(self.laboratory)
        image: NDArray[Any] = counts
        if filed:
            image = as_filed(chance, counts, self.laboratory_ranges)
        return Field(
            image=image,
            labels=labels,
            truth=truth,
            kind=plan.kind,
            pixel_size_nm=plan.pixel_nm,
            bright_field=plan.bright_field,
            contamination_nm=plan.contamination_nm,
            asked=plan.count,
            bodies=people.bodies,
            first_body=people.first,
            optics=conditions,
        )


def _planned(recipe: FieldRecipe, chance: Chance) -> Plan:
    kind = chance.choice(recipe.kinds)
    shown = chance.between_log(*recipe.diameter_px)
    small = min(recipe.shape)
    if kind == "large":
        shown = min(max(shown, 0.12 * small), 0.7 * small)
    else:
        shown = min(shown, LARGEST_SHARE * small)
    diameter = chance.between_log(*(recipe.diameter_nm or typical_nm(kind)))
    cover = chance.between_log(*recipe.cover)
    if kind == "monolayer":
        cover = chance.between(0.15, 0.75)
    if kind == "large":
        cover = chance.between(0.15, 0.7)
    if kind == "rods":
        cover = chance.between_log(0.03, 0.35)
    count = cover * recipe.rows * recipe.columns / (0.785 * shown * shown)
    bright = chance.happens(
        min(1.0, 2.0 * recipe.bright_field)
        if kind in ("large", "monolayer", "rods")
        else recipe.bright_field
    )
    none = chance.happens(recipe.empty)
    apart = chance.apart()
    grown = apart.happens(recipe.contaminated)
    scan = chance.apart(1)
    jitters = scan.happens(recipe.jittered)
    number = 0 if none else int(min(max(count, 2.0), MOST))
    return Plan(
        kind=kind,
        shape=recipe.shape,
        collection=recipe.collection(bright_field=bright),
        bright_field=bright,
        diameter_nm=diameter,
        pixel_nm=diameter / shown,
        count=number,
        contamination_nm=apart.between_log(*recipe.contamination_nm) if grown else 0.0,
        best_signal_to_noise=recipe.best_signal_to_noise,
        widest_probe=recipe.widest_probe,
        row_jitter_px=scan.between_log(*recipe.row_jitter_px) if jitters else 0.0,
    )
