"""stemfast's contrast against abTEM's multislice; docs/abtem.md has the whole comparison."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemfast import materials, scattering
from stemfast.scattering import Collection

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def comparison():
    spec = importlib.util.spec_from_file_location(
        "abtem_comparison", ROOT / "bench" / "abtem_comparison.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def figure(comparison):
    spec = importlib.util.spec_from_file_location(
        "abtem_figure", ROOT / "bench" / "abtem_figure.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_amorphous_atoms_keep_their_distance_and_density(comparison):
    box = (1.5, 1.3, 1.8)
    atoms = comparison.amorphous(box, seed=3)
    assert len(atoms) == round(59.0 * np.prod(box))
    nearest = cKDTree(atoms, boxsize=box).query(atoms, k=2)[0][:, 1]
    assert nearest.min() >= 0.249


def test_one_atom_that_abtem_computed_has_our_cross_section(figure):
    kept = figure.load("atom")
    for i, element in enumerate(kept["elements"]):
        z, _ = materials.ELEMENTS[str(element)]
        ours = scattering.cross_section_nm2(z, Collection(200, 60, 200, 0))
        assert ours == pytest.approx(kept["abtem_nm2"][i][-1], rel=0.012)
        assert ours < 0.9 * kept["rutherford_nm2"][i]


# Four arrangements of the atoms and four places leave 0.8 % of statistics, 1.5 % below 5 nm.
@pytest.mark.parametrize("light", ["parallel", "cone"])
@pytest.mark.parametrize("detector", [0, 1])
@pytest.mark.parametrize("element", ["C", "Si", "Cu", "Ag", "Au"])
def test_slabs_that_abtem_computed_at_200_kev(figure, element, detector, light):
    found = figure.ratios(figure.load("slabs"), element, 200, detector, light)
    assert np.abs(found - 1).max() < 0.07
    assert np.abs(found[4:] - 1).max() < (0.05 if detector == 0 else 0.052)
    assert abs(found[4:].mean() - 1) < 0.03


@pytest.mark.parametrize("light", ["parallel", "cone"])
@pytest.mark.parametrize("detector", [0, 1])
@pytest.mark.parametrize("energy", [80, 300])
@pytest.mark.parametrize("element", ["C", "Cu", "Au"])
def test_slabs_that_abtem_computed_at_other_energies(figure, element, energy, detector, light):
    found = figure.ratios(figure.load("slabs"), element, energy, detector, light)
    assert np.abs(found[4:] - 1).max() < 0.05
    assert abs(found[4:].mean() - 1) < 0.03


def test_dark_fields_that_abtem_computed_are_within_five_per_cent(figure):
    beyond = figure.beyond(figure.load("slabs"))
    assert len(beyond) <= 7  # of 1,760
    assert sum(nm > 2 for *_, nm, _ in beyond) <= 1
    assert max(abs(ratio - 1) for *_, ratio in beyond) < 0.069


def test_more_arrangements_of_thin_slabs_leave_one_beyond_five_per_cent(figure):
    """Few atoms scatter in a thin slab: what four arrangements leave in doubt, twelve tell."""
    thin, far = figure.thin(), figure.beyond(figure.load("slabs"))
    assert {(element, energy, detector) for element, energy, detector, *_ in far} <= set(thin)
    found = np.array([ratio for ratio, _ in thin.values()])
    assert (np.abs(found - 1) > 0.05).sum() <= 1
    assert np.abs(found - 1).max() < 0.054
    assert max(error.max() for _, error in thin.values()) < 0.03


@pytest.mark.parametrize("element", ["C", "Si", "Cu", "Ag", "Au"])
def test_bright_fields_that_abtem_computed(figure, element):
    found = figure.ratios(figure.load("slabs"), element, 200, 2, "cone")
    assert np.abs(found - 1).max() < 0.03


def test_the_old_model_was_far_off_for_gold(figure):
    found = figure.old_over_multislice(figure.load("slabs"), "Au", "cone")
    assert found[:10].mean() == pytest.approx(1.5, abs=0.1)


def test_image_that_abtem_computed_is_ours_without_a_scale(comparison):
    with np.load(ROOT / "docs" / "abtem" / "image.npz") as kept:
        truth = kept["images"].mean(axis=0)
    ours = comparison.stemfast_image(fwhm_nm=0.5)
    assert comparison.unexplained(truth, ours) < 0.003
    assert ours.sum() / truth.sum() == pytest.approx(1.0, abs=0.05)
    for turned in (ours[::-1], ours[:, ::-1], ours.T):
        assert comparison.unexplained(truth, turned) > 0.08


@pytest.mark.filterwarnings("ignore")  # those of abTEM and of what it imports
def test_multislice_of_a_thin_slab(comparison):
    pytest.importorskip("abtem", reason="abTEM is not installed: pip install 'stemfast[abtem]'")
    depth, parallel, cone = comparison.slab("Au", 200, seed=5, thickness_nm=2.0)
    assert parallel[:2, 0].max() < 1e-9
    ours = comparison.ours("Au", 200.0, 0, 20.0, depth[1:])
    np.testing.assert_allclose(cone[0, 1:], ours, rtol=0.15)
