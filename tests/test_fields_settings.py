"""Settings of fields: what they change, what is refused, and in what words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemfast import recipes
from stemfast.fields import KINDS, FieldRecipe, Laboratory, Truth
from stemfast.fields.contrast import rows_shifted

DOCS = Path(__file__).resolve().parents[1] / "docs" / "fields.md"
SMALL = {"rows": 64, "columns": 80}


def drawn(n=12, **settings):
    recipe = FieldRecipe(**{**SMALL, **settings})
    return [recipe.draw(1, index) for index in range(n)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kinds": ("silca",)}, "kinds[0] is 'silca'.*one of monolayer.*did you mean 'silica'?"),
        ({"kinds": ("sparse", "monolayers")}, "kinds[1] is 'monolayers'.*mean 'monolayer'?"),
        ({"kinds": ()}, "kinds is empty, expected some of monolayer"),
        ({"kinds": "silica"}, "kinds is 'silica', expected a list"),
        ({"rows": 16}, "rows is 16, expected a number of at least 32"),
        ({"columns": 100.5}, "columns is 100.5, expected"),
        ({"diameter_px": (20.0, 10.0)}, "diameter_px is .*lowest <= highest"),
        ({"cover": (0.0, 0.1)}, "cover[0] is 0.0, expected a number above 0"),
        ({"bright_field": 1.2}, "bright_field is 1.2, expected a number of at most 1"),
        ({"laboratory": True}, "laboratory is True, expected a number"),
        ({"energy_kev": float("nan")}, "energy_kev is nan, expected"),
        ({"energy_kev": "200"}, "energy_kev is '200', expected a number"),
        ({"inner_mrad": 90.0, "outer_mrad": 80.0}, "less than outer_mrad, got inner_mrad=90"),
        ({"inner_mrad": 10.0}, "convergence_mrad=20 and inner_mrad=10: the undeflected beam"),
        ({"aperture_mrad": 0.0}, "aperture_mrad is 0.0, expected a number above 0"),
        ({"materials": ("Pt", "Pu")}, "materials[1] is 'Pu'.*not in the table"),
        ({"materials": ("pt",)}, "materials[0] is 'pt'.*did you mean 'Pt'?"),
        ({"materials": ()}, "materials is .*expected at least 1"),
        ({"contaminated": 1.5}, "contaminated is 1.5, expected a number of at most 1"),
        ({"contamination_nm": (0.0, 2.0)}, "contamination_nm[0] is 0.0, expected a number above 0"),
        ({"best_signal_to_noise": 0.5}, "best_signal_to_noise is 0.5, expected .* at least 1"),
        ({"widest_probe": 3.0}, "widest_probe is 3.0, expected .* at most 2"),
        ({"row_jitter_px": (0.0, 2.0)}, "row_jitter_px[0] is 0.0, expected a number above 0"),
        ({"diameter": 4.0}, "no setting 'diameter'; did you mean 'diameter_"),
        ({"laboratory_ranges": {"jpg": 1.0}}, "no setting 'laboratory_ranges.jpg'.*mean .*jpeg"),
        ({"laboratory_ranges": {"clip_percent": (0.0, 60.0)}}, "clip_percent[1] is 60.0"),
        ({"kinds": ("silica",), "support_diameter_nm": (5e3, 6e3)}, "not larger than every field"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, words):
    pattern = "recipe field:? .*" + words.replace("[", r"\[").replace("]", r"\]").replace(
        "?", r"\?"
    )
    with pytest.raises(ValueError, match=pattern):
        FieldRecipe(**settings)


def test_recipes_say_where_fields_are():
    with pytest.raises(ValueError, match="stemfast.fields.FieldRecipe.*stemfast dataset fields"):
        recipes.get("field")


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1), (2**64, 0)])
def test_seeds_and_indices_out_of_range_are_refused(seed, index):
    with pytest.raises(ValueError, match="seed|index"):
        FieldRecipe(**SMALL).draw(seed, index)


def test_a_support_larger_than_some_fields_is_warned_of():
    with pytest.warns(UserWarning, match="support_diameter_nm is .* smallest field is"):
        FieldRecipe(kinds=("silica",), support_diameter_nm=(50.0, 100.0))
    FieldRecipe(kinds=("sparse",), support_diameter_nm=(50.0, 100.0))  # has none


def test_places_that_were_not_found_are_counted():
    crowded = drawn(20, kinds=("monolayer",), even_sigma=(0.15, 0.15))
    assert any(field.placed < field.asked for field in crowded)
    for field in crowded:
        assert field.placed <= field.asked
        assert field.placed >= len(field.truth)
        assert f"{field.placed} placed of {field.asked}" in repr(field)
    assert all(field.placed == field.asked for field in drawn(kinds=("sparse",)))


@pytest.mark.parametrize("kind", KINDS)
def test_particle_diameters_are_those_asked_for(kind):
    fields = drawn(
        16, kinds=(kind,), diameter_nm=(5.0, 5.0), sigma=(0.0, 0.0), even_sigma=(1e-6, 1e-6)
    )
    sizes = [field.truth.diameter_nm for field in fields if len(field.truth)]
    # One field in three has a second population of larger ones.
    assert np.concatenate(sizes).min() == pytest.approx(5.0, rel=1e-4)
    assert np.median([size.min() for size in sizes]) == pytest.approx(5.0, rel=1e-4)


def test_the_size_distribution_has_the_spread_asked_for():
    """Of 2000 logarithms; a standard deviation of n numbers is off by σ/√2n."""
    recipe = FieldRecipe(
        kinds=("sparse",), rows=600, columns=600, cover=(0.3, 0.3), diameter_px=(8.0, 8.0),
        sigma=(0.2, 0.2), empty=0.0,
    )  # fmt: skip
    spreads = []
    for index in range(6):
        size = recipe.draw(3, index).truth.diameter_nm
        spreads.append(np.log(size).std())
    assert len(size) > 1000
    assert min(spreads) == pytest.approx(0.2, rel=0.1)  # where there is one population


def test_brightness_is_one_without_spread():
    for field in drawn(6, brightness_sigma=(0.0, 0.0)):
        assert (field.truth.brightness == 1.0).all()
    assert any(len(np.unique(field.truth.brightness)) > 1 for field in drawn(6))


def test_materials_change_the_contrast_alone():
    one, other = (
        FieldRecipe(**SMALL, kinds=("sparse",), materials=(name,), brightness_sigma=(0.0, 0.0))
        for name in ("Pt", "Cu")
    )
    for index in range(4):
        a, b = one.draw(2, index), other.draw(2, index)
        assert np.array_equal(a.labels, b.labels)
        assert np.array_equal(a.truth.box, b.truth.box)


def test_contamination_changes_the_image_and_no_label():
    bare, covered = (
        drawn(6, kinds=("silica",), contaminated=share, contamination_nm=(1.0, 2.0), empty=0.0)
        for share in (0.0, 1.0)
    )
    for a, b in zip(bare, covered, strict=True):
        assert a.contamination_nm == 0.0
        assert 1.0 <= b.contamination_nm <= 2.0
        assert np.array_equal(a.labels, b.labels)
        assert np.array_equal(a.truth.area_px, b.truth.area_px)
        assert np.array_equal(a.image, b.image) == (a.placed == 0)


def test_a_better_signal_to_noise_is_a_larger_dose():
    """The dose goes with the square of the ratio; 12 fields have it up to 25 times as large."""
    plain, clear = (
        drawn(12, kinds=("sparse",), diameter_px=(10.0, 10.0), best_signal_to_noise=best)
        for best in (12.0, 60.0)
    )
    gain = [
        b.optics.electrons_px / a.optics.electrons_px for a, b in zip(plain, clear, strict=True)
    ]
    assert max(gain) > 3.0
    assert min(gain) >= 1.0
    assert max(gain) < 25.0


def test_jitter_shifts_rows_of_the_image_and_no_label():
    still, shaken = (
        drawn(4, kinds=("sparse",), jittered=share, row_jitter_px=(1.0, 2.0), empty=0.0)
        for share in (0.0, 1.0)
    )
    for a, b in zip(still, shaken, strict=True):
        assert a.optics.row_jitter_px == 0.0
        assert 1.0 <= b.optics.row_jitter_px <= 2.0
        assert np.array_equal(a.labels, b.labels)
        assert not np.array_equal(a.image, b.image)


def test_rows_are_shifted_as_numpy_interpolates():
    draw = np.random.default_rng(4)
    signal, shifts = draw.random((7, 12)).astype(np.float32), draw.normal(0.0, 2.0, 7)
    there = np.arange(12)
    expected = [np.interp(there + s, there, row) for s, row in zip(shifts, signal, strict=True)]
    assert np.allclose(rows_shifted(signal, shifts), expected, atol=1e-6)


def test_a_probe_may_be_wider_than_a_particle():
    widths = [
        [f.optics.probe_px for f in drawn(20, diameter_px=(20.0, 20.0), widest_probe=widest)]
        for widest in (0.4, 1.5)
    ]
    assert max(widths[0]) <= 8.0 < 12.0 < max(widths[1]) <= 30.0


def test_supports_have_the_size_asked_for():
    from stemfast.fields.chance import Chance
    from stemfast.fields.supports import SUPPORTS

    wide = (12.0, 12.0)
    spheres = SUPPORTS["carbon-black"](Chance(1, 0), (200.0, 300.0), 3.0, wide)
    assert np.median(spheres.bodies.scale[:100, 0]) == pytest.approx(12.0, rel=0.15)
    plates = SUPPORTS["graphene"](Chance(1, 0), (200.0, 300.0), 3.0, wide)
    assert np.allclose(plates.bodies.scale[:, 2], 12.0)


def test_the_laboratory_stage_can_be_switched_off_part_by_part():
    still = Laboratory(
        enlarge=0.0, smooth=0.0, jpeg=0.0, vignette=0.0, lines=0.0, letters=0.0, frame=0.0,
        dead=0.0,
        gamma=(1.0, 1.0), clip_percent=(0.0, 0.0),
    )  # fmt: skip
    for filed, counted in zip(
        drawn(6, laboratory=1.0, laboratory_ranges=still),
        drawn(6, laboratory=0.0),
        strict=True,
    ):
        assert filed.image.dtype == np.uint8
        assert counted.image.dtype == np.float32
        # Grey levels are a straight line of the counts.
        grey, counts = filed.image.astype(float), counted.image.astype(float)
        inner = (grey > 0) & (grey < 255)
        slope, offset = np.polyfit(counts[inner], grey[inner], 1)
        assert np.abs(slope * counts + offset - grey)[inner].max() < 1.01
        assert slope > 0


def test_less_than_the_least_seen_is_not_visible():
    strict, loose = (drawn(10, kinds=("sparse",), least_seen=share) for share in (0.999, 0.0))
    for a, b in zip(strict, loose, strict=True):
        hidden = a.truth.seen_px < 0.999 * a.truth.area_px
        assert not a.truth.visible[hidden].any()
        assert np.array_equal(a.truth.visible[~hidden], b.truth.visible[~hidden])


def test_the_documentation_names_every_setting_kind_and_column():
    text = DOCS.read_text(encoding="utf-8")
    names = [*FieldRecipe.model_fields, *KINDS, *Truth.__dataclass_fields__]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_documentation_has_the_defaults():
    text, recipe = DOCS.read_text(encoding="utf-8"), FieldRecipe()
    for low, high in (recipe.diameter_px, recipe.cover, recipe.sigma, recipe.even_sigma):
        assert f"{low:g} – {high:g}" in text
    for name in ("least_seen", "bright_field"):
        assert f"| `{name}` | {getattr(recipe, name):g} |" in text
