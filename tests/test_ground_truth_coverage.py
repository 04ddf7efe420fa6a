"""Whether error bars hold is measured up to symmetry, and does see bars that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.models.corner_evidence import symmetry
from stemfast.models.reconstructor import Answer
from stemfast.training.reconstruction.coverage import coverage_of, severity_errors
from stemfast.training.reconstruction.loss import targets

N = 2000
SD = 0.02


def drawn(scale: float = 1.0, name: int = 0):
    """A truth, and answers off by `scale` error bars, corners under another name of the axes."""
    rng = np.random.default_rng(5)
    edges = np.sort(rng.uniform(8, 18, (N, 3)))[:, ::-1] * [1.2, 1.0, 0.8]
    deformed = rng.random((N, 8)) < 0.5
    severity = np.where(deformed, rng.uniform(0.25, 0.45, (N, 8)), 0.0)
    truth = targets(edges, severity, edges.prod(axis=1))
    off = scale * SD * rng.standard_normal((N, 12))
    said = np.where(deformed, severity + off[:, 4:], 0.0)
    log_sd = np.full((N, 8), np.log(SD))
    answer = Answer(
        orbit=np.zeros((N, 76)),
        number=np.zeros((N, 9)),
        log_edges=truth.log_edges + off[:, :3],
        log_edges_sd=log_sd[:, :3],
        log_volume=truth.log_volume + off[:, 3],
        log_volume_sd=log_sd[:, 0],
        severity=said[:, symmetry().permutations[name]],
        severity_sd=log_sd,
        share=np.ones((N, 1)),
    )
    return answer, truth


@pytest.mark.parametrize(("scale", "share"), [(1.0, 0.6827), (2.0, 0.3829)])
def test_coverage_is_that_of_the_draws(scale, share):
    answer, truth = drawn(scale)
    found = coverage_of(answer, truth, handed=True)
    for name in ("edges", "volume"):
        entry = found[f"{name} within one error bar"]
        # Four standard errors: a false alarm in some ten thousand.
        spread = 4 * np.sqrt(share * (1 - share) / (N * (3 if name == "edges" else 1)))
        assert abs(entry["share"] - share) < spread
        assert entry["interval"][0] < entry["share"] < entry["interval"][1]
        assert entry["of"] == N
    # Corners alike may be exchanged, which can only bring the answer nearer.
    inside = found["severity within one error bar"]["share"]
    assert share - 0.02 < inside < share + 0.06
    assert found["severity"]["rms"] == pytest.approx(scale * SD, rel=0.05)


def test_names_of_axes_do_not_matter_and_the_hand_only_where_it_is_known():
    plain, truth = drawn()
    off, sd, whose = severity_errors(plain, truth, handed=True)
    turned, _ = drawn(name=2)
    np.testing.assert_allclose(severity_errors(turned, truth, handed=True)[0], off)
    mirror, _ = drawn(name=len(symmetry().permutations) - 1)
    some = len(severity_errors(mirror, truth, handed=True)[0])
    every = len(severity_errors(mirror, truth, handed=False)[0])
    assert some < every == len(off) == len(sd) == len(whose)


def test_wrong_corners_have_no_severities():
    answer, truth = drawn()
    none = answer._replace(severity=np.zeros((N, 8)))
    assert not len(severity_errors(none, truth, handed=False)[0])
    assert "severity" not in coverage_of(none, truth, handed=False)
