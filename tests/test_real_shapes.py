"""Shapes that the network of portraits gives to real particles."""

import importlib.util
from pathlib import Path

import pytest

from stemfast.classification import NOT_SURE, classify
from stemfast.micrograph.families import FAMILIES
from stemfast.pretrained import load_pretrained, pretrained_names

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
EMPS, JEOL = DATA / "real" / "emps", DATA / "jeol_haadf_nanoparticles.dm4"
#: Share of coarse shapes right.
LEAST = 0.85
POLYHEDRA = {"cuboid", "tetrahedron", "hexagonal plate", "triangular plate", *FAMILIES["faceted"]}

pytestmark = pytest.mark.skipif(
    "open-shapes" not in pretrained_names(), reason="the network of portraits is not installed"
)


@pytest.mark.skipif(not EMPS.is_dir(), reason="../shared/data/real/emps is not at hand")
def test_coarse_shapes_of_labelled_particles_are_right(capsys):
    spec = importlib.util.spec_from_file_location(
        "real_shapes", ROOT / "examples" / "real_shapes.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    right, total = module.main(load_pretrained("open-shapes"))
    assert total == 362
    assert right >= LEAST * total, capsys.readouterr().out


@pytest.mark.skipif(not JEOL.is_file(), reason=f"{JEOL.name} is not in ../shared/data")
def test_no_round_particle_of_the_real_micrograph_is_called_a_polyhedron(tmp_path):
    said = classify(JEOL, out=tmp_path)
    assert len(said.shapes) == 19
    assert not POLYHEDRA & set(said.shapes)
    assert "faceted" not in said.shapes
    named = [shape for shape in said.shapes if shape != NOT_SURE]
    assert len(named) > len(said.shapes) / 3
