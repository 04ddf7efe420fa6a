"""Recipes' settings: conditions, files, single settings, and errors that say what to do."""

from __future__ import annotations

import re

import numpy as np
import pytest

from stemfast import recipes
from stemfast.recipes import conditions


@pytest.mark.parametrize("name", recipes.names())
@pytest.mark.parametrize("chosen", conditions.NAMES)
def test_settings_that_are_not_given_are_those_of_the_conditions(name, chosen):
    recipe = recipes.get(name, conditions=chosen)
    wanted = conditions.settings(conditions.IMAGING, chosen)
    if name == "shapes":
        wanted |= conditions.settings(conditions.SHAPES, chosen)
    else:
        for key, value in conditions.settings(conditions.CORNERS, chosen).items():
            assert getattr(recipe.particle, key) == value
    for key, value in wanted.items():
        assert getattr(recipe.imaging, key) == value


def test_clean_is_bright_sharp_and_steady_and_has_no_film():
    imaging = recipes.get("count", conditions="clean").imaging
    assert imaging.film_nm == imaging.drift_nm_s == imaging.row_jitter_pm == (0, 0)
    assert imaging.signal_e_px[0] >= 1000


def test_a_group_can_be_given_in_part():
    recipe = recipes.get("count", conditions="hard", particle={"severity": [0.2, 0.3]})
    assert recipe.particle.severity == (0.2, 0.3)
    assert recipe.particle.diameter_nm == (11.0, 18.0)
    changed = recipe.replace(imaging={"energy_kev": 300}, image_px=64)
    assert changed.particle == recipe.particle
    assert changed.imaging.signal_e_px == recipe.imaging.signal_e_px
    assert (changed.imaging.energy_kev, changed.image_px) == (300, 64)


TOML = """
conditions = "hard"
image_px = 64
[particle]
severity = [0.2, 0.4]
[imaging]
film_nm = [3, 4]
"""
YAML = """
conditions: hard
image_px: 64
particle:
  severity: [0.2, 0.4]
imaging:
  film_nm: [3, 4]
"""


@pytest.mark.parametrize(("ending", "text"), [("toml", TOML), ("yaml", YAML), ("yml", YAML)])
def test_files_arguments_and_single_settings_add_up_and_later_ones_win(tmp_path, ending, text):
    file = tmp_path / f"mine.{ending}"
    file.write_text(text)
    recipe = recipes.resolve("count", file=file)
    assert (recipe.conditions, recipe.image_px) == ("hard", 64)
    assert recipe.particle.severity == (0.2, 0.4)
    assert recipe.imaging.film_nm == (3, 4)
    assert recipe == recipes.get(
        "count",
        conditions="hard",
        image_px=64,
        particle={"severity": (0.2, 0.4)},
        imaging={"film_nm": (3, 4)},
    )
    other = recipes.resolve(
        "count",
        file=file,
        conditions="standard",
        image_px=96,
        sets=["imaging.film_nm=[5,6]", "image_px = 80", "spin=true", "dtype=float32"],
    )
    assert (other.conditions, other.image_px, other.spin) == ("standard", 80, True)
    assert other.dtype == np.float32
    assert other.imaging.film_nm == (5, 6)
    assert other.particle.severity == (0.2, 0.4)


def test_words_and_lists_of_words_can_be_set():
    recipe = recipes.resolve(
        "handedness", sets=['particle.materials=["Au", "Pd"]', "series.kind=static", "views=2"]
    )
    assert recipe.particle.materials == ("Au", "Pd")
    assert (recipe.series.kind, recipe.views) == ("static", 2)


def test_an_empty_yaml_file_changes_nothing(tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text("# nothing yet\n")
    assert recipes.resolve("count", file=file) == recipes.get("count")


@pytest.mark.parametrize(
    ("name", "sets", "message"),
    [
        ("cuont", [], "recipe is 'cuont', expected one of shapes, .*; did you mean 'count'?"),
        (
            "count",
            ["severity=[0.2,0.3]"],
            "no setting 'severity'; did you mean 'particle.severity'",
        ),
        (
            "count",
            ["particle.sevrity=[0.2,0.3]"],
            "no setting 'particle.sevrity'; did you mean 'particle.severity'",
        ),
        ("count", ["imaging.dose=100"], "no setting 'imaging.dose'; .*Its settings: conditions"),
        ("count", ["pixel_size_nm=1"], "no setting 'pixel_size_nm'"),
        ("count", ["conditions=nice"], "conditions is 'nice', expected one of clean, standard"),
        ("count", ["dtype=int8"], "dtype is 'int8', expected one of uint8, uint16, float32"),
        ("count", ["image_px=12.5"], "image_px is 12.5, expected a whole number"),
        ("count", ["image_px=8"], "image_px is 8, expected a number of at least 16"),
        ("count", ["spin=perhaps"], "spin is 'perhaps', expected true or false"),
        ("count", ["views=4"], "views is 4, expected a number of at most 1"),
        ("ground-truth", ["views=17"], "views is 17, expected a number of at most 16"),
        ("count", ["particle=3"], "particle is 3, expected a group"),
        ("count", ["particle.severity=0.3"], "particle.severity is 0.3, expected .*(list|two)"),
        ("count", ["particle.severity=[0.3]"], r"severity is \[0.3\], expected two numbers"),
        ("count", ["particle.severity=[0.1,0.2,0.3]"], "severity is .*expected two numbers"),
        ("count", ["particle.severity=[0.4,0.3]"], "severity is .*lowest <= highest"),
        ("count", ["particle.severity=[0.0,0.3]"], r"severity\[0\] is 0.0, expected .*above 0"),
        ("count", ["particle.severity=[0.3,0.6]"], "severity is .*up to 0.5"),
        ("count", ['particle.severity=["a",0.3]'], r"severity\[0\] is 'a', expected a number"),
        ("deformed", ["particle.displaced_share=1.5"], "displaced_share is 1.5, .*at most 1"),
        ("count", ["imaging.film_nm=[nan,3]"], r"film_nm\[0\] is nan, expected a finite number"),
        ("count", ["imaging.film_nm=[-1,3]"], r"film_nm\[0\] is -1, expected .*at least 0"),
        (
            "count",
            ["imaging.film_roughness=[0,0.5]"],
            r"film_roughness\[1\] is 0.5, .*at most 0.33",
        ),
        ("count", ["imaging.inner_mrad=300"], "imaging is .*inner_mrad < outer_mrad"),
        ("count", ["imaging.probe_fwhm_nm=[1,20]"], "probe_fwhm_nm .*half the field of 32 nm"),
        ("count", ["imaging.film_nm=[0,3]"], "film_wedge_nm_per_um .*run out"),
        ("count", ["imaging.drift_nm_s=[0,900]"], "drift_nm_s .*tenth of the field"),
        ("count", ["imaging.turn_axis=w"], "turn_axis is 'w', expected 'isotropic', 'x'"),
        ("count", ["particle.materials=[]"], r"materials is \[\], expected at least 1"),
        ("count", ['particle.materials=["gold"]'], "materials .*'gold' is not in the table"),
        ("shapes", ["particle.diameter_nm=[10,40]"], "fit into the field_nm of 64"),
        ("shapes", ["particle.edge_ratio=3"], "edge_ratio is 3, expected .*at most 2"),
        ("corners", ["particle.edge_step=[1.0,1.3]"], r"edge_step\[0\] is 1.0, .*at least 1.05"),
        ("handedness", ["series.kind=tilt"], "series.kind is 'tilt', expected 'static' or 'tilts'"),
        ("handedness", ["series.tilt_deg=[30,-30]"], "series is .*first < last"),
        ("count", ["particle.severity"], "'particle.severity' is not a setting, expected NAME="),
        ("count", ["image_px.x=3", "image_px=3"], "image_px"),
        ("count", ["image_px=64", "image_px.x=3"], "image_px is 64, not a group"),
    ],
)
def test_wrong_settings_are_refused_by_name_with_what_came_and_what_is_expected(
    name, sets, message
):
    with pytest.raises(ValueError, match=message):
        recipes.resolve(name, sets=sets)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.ini", "x = 1", "must end in .toml, .yaml or .yml"),
        ("a.toml", "x = = 1", "is not TOML"),
        ("a.yaml", "x: [1", "is not YAML"),
        ("a.yaml", "- 1\n- 2", "holds list, expected settings by name"),
        ("a.toml", "[particle]\nseverty = [0.2, 0.3]", "did you mean 'particle.severity'"),
    ],
)
def test_files_that_are_wrong_are_refused(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        recipes.resolve("count", file=tmp_path / file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape("nowhere.toml")):
        recipes.resolve("count", file=tmp_path / "nowhere.toml")


def test_recipes_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        recipes.get("count").image_px = 3


def test_replace_does_not_pretend_to_change_the_conditions():
    with pytest.raises(ValueError, match="expected recipes.get"):
        recipes.get("count").replace(conditions="hard")


def test_replace_refuses_what_there_is_not():
    with pytest.raises(ValueError, match="did you mean 'image_px'"):
        recipes.get("count").replace(imagepx=3)
