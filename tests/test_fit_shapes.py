"""Tetrahedra, cuboids and ellipsoids fitted to images, and compared by their evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import recipes, units
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.image.likelihood import observe
from stemfast.fit.kinds.kind import Placement
from stemfast.fit.kinds.shapes import compare, shape_kinds
from stemfast.fit.kinds.solid_evidence import WavesOut, laplace, sampled
from stemfast.fit.kinds.solid_fit import climb, expected_electrons, modes
from stemfast.fit.kinds.solids import Box, Ellipse, Pyramid
from stemfast.reference import pixel_centres
from stemfast.studies.ceiling import ceiling

KINDS = shape_kinds(1.6, 1.2)
NAMES = ("tetrahedron", "cuboid", "ellipsoid")
SCAN = sf.Scan(shape=(64, 64), pixel_size_nm=0.5)
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


def scope(electrons: float = 2000.0, **parts: object) -> sf.Microscope:
    given = {
        "scan": SCAN,
        "beam": sf.Beam(current_pa=units.current_pa(electrons, SCAN.dwell_us)),
        "probe": sf.Probe(fwhm_nm=1.0),
        "film": sf.Film(thickness_nm=0),
    }
    return sf.Microscope(**(given | parts))


def drawn(kind: int, seed: int, size: float = 9.0) -> tuple[sf.Particle, Rotation, Placement]:
    """A solid and the placement that stands for it."""
    rng = np.random.default_rng([seed, kind])
    pose = Rotation.random(rng=rng)
    x, y = rng.uniform(-2, 2, 2)
    place = np.array([x, y, math.log(size)])
    if kind == 0:
        particle: sf.Particle = sf.Tetrahedron(edge=(math.sqrt(2) * math.pi) ** (1 / 3) * size)
        return particle, pose, Placement(pose.as_quat(), place)
    if kind == 1:
        values = np.concatenate([place, rng.normal(size=3)])
        a, b, c = KINDS[1].edges_nm(values).tolist()
        return sf.Cuboid(edges=(a, b, c)), pose, Placement(pose.as_quat(), values)
    logs = math.log(1.2) * rng.random(3)
    axes = 0.5 * size * np.exp(logs - logs.mean())
    form = pose.as_matrix() @ np.diag(axes**2) @ pose.as_matrix().T
    values, vectors = np.linalg.eigh(form[:2, :2])
    outline = vectors @ np.diag(0.5 * np.log(values)) @ vectors.T
    middle = 0.5 * np.trace(outline) - math.log(size / 2)
    own = [middle, 0.5 * (outline[0, 0] - outline[1, 1]), outline[0, 1]]
    return sf.Ellipsoid(tuple(axes)), pose, Placement(UPRIGHT, np.concatenate([place, own]))


def observed(kind: int, seed: int, microscope: sf.Microscope, size: float = 9.0):
    particle, pose, at = drawn(kind, seed, size)
    position = np.append(at.values[:2], 0.0)
    image = sf.simulate(particle, pose, microscope, seed=seed, positions_nm=position)
    around = CutCuboid(np.full(3, 2.02 * size), np.zeros(8), UPRIGHT, at.values[:2])
    return observe(image, microscope, around), at


@pytest.mark.parametrize("kind", range(3), ids=NAMES)
def test_thickness_is_the_simulators(kind):
    x, y = np.meshgrid(*pixel_centres(SCAN))
    for seed in range(5):
        particle, pose, at = drawn(kind, seed)
        position = np.append(at.values[:2], 0.0)
        wanted = sf.thickness(particle, pose, SCAN, positions_nm=position)
        assert KINDS[kind].thickness(at, x, y) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("kind", range(3), ids=NAMES)
def test_expected_electrons_are_the_simulators(kind):
    """A bright image less what is expected of it: χ² of the pixels, false alarms 1 in 1000."""
    microscope = scope(2e5, film=sf.Film(thickness_nm=3, roughness_nm=0))
    image, at = observed(kind, 1, microscope)
    calm = np.zeros(len(image.waves.variance))
    seen = expected_electrons(image, KINDS[kind], at, calm, derivatives=False).electrons
    chi2 = float(((image.counts - seen) ** 2 / seen).sum())
    low, high = stats.chi2.ppf([0.0005, 0.9995], seen.size)
    assert low < chi2 < high


@pytest.mark.parametrize("kind", range(3), ids=NAMES)
def test_derivatives_are_those_of_the_thickness(kind):
    family = KINDS[kind]
    x, y = np.meshgrid(*pixel_centres(SCAN))
    _, _, at = drawn(kind, 2)
    t, jacobian = family.thickness_and_jacobian(at, x, y)
    assert t == pytest.approx(family.thickness(at, x, y))
    inside = t > (0.2 * t.max() if isinstance(family, Ellipse) else 0)
    for k in range(family.n):
        step = np.zeros(family.n)
        step[k] = 1e-5
        ahead, behind = (family.thickness(family.moved(at, s * step), x, y) for s in (1, -1))
        off = np.abs((ahead - behind) / 2e-5 - jacobian[..., k])[inside]
        assert np.quantile(off, 0.97) < 1e-3  # but for pixels that an edge crosses


@pytest.mark.parametrize("family", [Pyramid(), Box(1.6)], ids=["tetrahedron", "cuboid"])
def test_equivalent_poses_have_the_same_image(family):
    x, y = np.meshgrid(*pixel_centres(SCAN))
    _, _, at = drawn(1 if isinstance(family, Box) else 0, 3)
    first = family.thickness(at, x, y)
    own = family.permuted(at.values[None, 3:])[0]
    turned = family.turned(at.quaternion[None])[0]
    for quaternion, proportions in zip(turned, own, strict=True):
        there = Placement(quaternion, np.concatenate([at.values[:3], proportions]))
        assert family.thickness(there, x, y) == pytest.approx(first, abs=1e-9)
    alike = np.abs(turned @ turned.T) > 1 - 1e-9
    assert len(turned) == alike.sum() == {6: 24, 9: 48}[family.n]


def test_proportions_of_cuboids_are_drawn_as_the_recipe_draws_them():
    """Kolmogorov and Smirnov on the longest over the shortest edge, false alarms 1 in 1000."""
    sizes = recipes.get("shapes").sample(1, 0, 3000).columns["size_nm"][1::3]
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros((1000, 3)), rng.normal(size=(1000, 3))], axis=1)
    own = np.stack([Box(1.6).edges_nm(row) for row in values])
    ratios = [edges.max(axis=1) / edges.min(axis=1) for edges in (sizes, own)]
    assert stats.ks_2samp(*ratios).pvalue > 0.001
    kept = Box(1.6).edges_nm(np.r_[0, 0, math.log(9.0), Box(1.6).proportions(sizes[0])])
    assert kept / kept.min() == pytest.approx(sizes[0] / sizes[0].min(), rel=0.02)


def test_outlines_of_ellipsoids_are_those_of_the_recipe():
    scenes = recipes.get("shapes").sample(2, 0, 3000)
    own = []
    for i in range(2, 3000, 3):
        turn = Rotation.from_quat(scenes.orientations[i, 0]).as_matrix()
        form = turn @ np.diag((scenes.columns["size_nm"][i] / 2) ** 2) @ turn.T
        low, high = np.linalg.eigvalsh(form[:2, :2])
        size = scenes.columns["diameter_nm"][i] / 2
        own.append([0.25 * math.log(low * high / size**4), 0.25 * math.log(high / low)])
    draws = Ellipse(1.2).draws
    theirs = np.stack([draws[:, 0], np.hypot(draws[:, 1], draws[:, 2])])
    for one, other in zip(np.array(own).T, theirs, strict=True):
        assert stats.ks_2samp(one, other).pvalue > 0.0005


@pytest.mark.parametrize("kind", range(3), ids=NAMES)
def test_error_bars_cover(kind):
    """χ² of all parameters over 25 images, two-sided, false alarms 1 in 1000.

    Proportions have a prior that pulls, and cuboids can have several sets of them: not counted.
    """
    family = KINDS[kind]
    microscope = scope(20000.0)
    counted = np.arange(family.turns + 3)
    total = 0.0
    for seed in range(25):
        image, at = observed(kind, seed, microscope)
        fit = climb(image, family, at)
        turn = Rotation.from_quat(at.quaternion) * Rotation.from_quat(fit.at.quaternion).inv()
        off = np.concatenate([turn.as_rotvec()[: family.turns], at.values[:3] - fit.at.values[:3]])
        covariance = np.linalg.inv(fit.information)[np.ix_(counted, counted)]
        total += float(off @ np.linalg.solve(covariance, off))
    low, high = stats.chi2.ppf([0.0005, 0.9995], 25 * len(counted))
    assert low < total < high


@pytest.mark.parametrize("kind", range(3), ids=NAMES)
def test_random_starts_find_the_truth(kind):
    image, at = observed(kind, 7, scope())
    own = climb(image, KINDS[kind], at)
    found = modes(image, KINDS[kind], at.values[:3], climbs=8)[0]
    assert found.highest > own.highest - 0.5


@pytest.mark.parametrize("kind", range(3), ids=NAMES)
def test_draws_agree_with_laplace_where_the_posterior_is_nearly_normal(kind):
    """But for kinks: a fit ends where the pixels at an edge happen to suit it best.

    For the ellipsoid that is 0.9 to 1.6, at doses of 600 to 3,000.
    """
    image, at = observed(kind, 8, scope(1000.0))
    fits = [climb(image, KINDS[kind], at)]
    evidence, effective = sampled(image, KINDS[kind], fits, 1500)
    assert effective > 100
    assert evidence == pytest.approx(laplace(image, KINDS[kind], fits), abs=1.7)


@pytest.mark.parametrize("kind", range(3), ids=NAMES)
def test_evidence_of_a_faint_image_is_the_mean_over_all_poses(kind):
    """Against plain draws of poses and proportions as the recipe has them, each counted once.

    The image is so faint that hardly a pose is excluded: equivalents overlap, and nothing about
    the posterior is normal.
    """
    family = KINDS[kind]
    microscope = scope(25.0, film=sf.Film(thickness_nm=40.0))
    image, at = observed(0, 9, microscope, size=5.0)
    fits = modes(image, family, at.values[:3], climbs=3)
    evidence, effective = sampled(image, family, fits, 2000)
    assert effective > 50
    rng = np.random.default_rng(0)
    n, seen = 4000, WavesOut(image, family, fits[0])
    covariance = np.linalg.inv(fits[0].information)[family.turns :, family.turns :][:3, :3]
    spread = stats.multivariate_normal(fits[0].at.values[:3], 2.0 * covariance)
    places = spread.rvs(n, random_state=rng)
    poses = Rotation.random(n, rng=rng).as_quat()
    own = rng.normal(size=(n, family.n_proportions))
    if isinstance(family, Ellipse):
        own = family.draws[rng.choice(len(family.draws), n)]
    drawn = zip(poses, np.concatenate([places, own], axis=1), strict=True)
    logs = np.array([seen.height(Placement(pose, values)) for pose, values in drawn])
    logs -= spread.logpdf(places)
    plain = special.logsumexp(logs) - math.log(n)
    assert math.exp(2 * special.logsumexp(logs) - special.logsumexp(2 * logs)) > 30
    assert evidence == pytest.approx(plain, abs=0.5)


def test_probabilities_of_faint_images_mean_what_they_say():
    """Twelve images that leave doubt: answers are right as often as they claim, within 3.3 σ."""
    recipe = recipes.resolve(
        "shapes",
        conditions="hard",
        image_px=64,
        sets=["particle.diameter_nm=[5.0, 6.0]", "imaging.signal_e_px=[20.0, 60.0]"],
    )
    score = ceiling(recipe, 12)
    claimed = np.array([max(verdict.probability) for verdict in score.verdicts])
    off = score.right - claimed.sum()
    assert abs(off) < 3.3 * math.sqrt(float((claimed * (1 - claimed)).sum()))
    assert 0.5 < score.share < 0.98


def test_each_kind_is_told_in_standard_conditions():
    score = ceiling(recipes.get("shapes", image_px=64), 6)
    assert score.share == 1.0
    assert score.mean_probability > 0.999
    assert score.verdicts[0].mask == 0


def test_the_wrong_kinds_have_far_less_evidence():
    for kind in range(3):
        image, at = observed(kind, 10, scope())
        found = compare(image, KINDS, at, kind)
        assert int(found.probability.argmax()) == kind
        assert found.probability[kind] > 0.9999
