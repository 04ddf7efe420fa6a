"""Notebooks of the tutorials parse, import what there is, and the first one runs; no site."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

TUTORIALS = sorted((Path(__file__).resolve().parents[1] / "docs" / "tutorials").glob("*.md"))
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def cells(page: Path) -> list[str]:
    return CELL.findall(page.read_text(encoding="utf-8"))


def of_page(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("page", TUTORIALS, ids=of_page)
def test_a_tutorial_is_a_notebook_that_teaches(page):
    text = page.read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    assert front == {"file_format": "mystnb", "kernelspec": {"name": "python3"}}
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert headings[-2:] == ["Exercises", "Where to go next"]
    assert text.count("{code-cell}") == len(cells(page)) > 4
    assert text.count("**Look for**") >= 3


@pytest.mark.parametrize("page", TUTORIALS, ids=of_page)
def test_cells_parse_and_take_names_that_exist(page):
    whole = ast.parse("\n".join(cells(page)))
    for node in ast.walk(whole):
        if isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
        else:
            continue
        for module in modules:
            if find_spec(module.partition(".")[0]) is None:
                continue  # torch, or an extra that is not installed
            found = import_module(module)
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    assert hasattr(found, name.name) or find_spec(f"{module}.{name.name}")


def test_the_first_tutorial_runs(tmp_path, monkeypatch):
    pytest.importorskip("rsciio")
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda: None)
    seen: dict[str, object] = {}
    for cell in cells(next(page for page in TUTORIALS if page.stem == "simulate")):
        exec(cell, seen)
    figures = len(pyplot.get_fignums())
    pyplot.close("all")
    assert figures == 4
    assert abs(seen["ratio"].mean() - 1) < 0.01
    assert (tmp_path / "cuboid.tif").is_file()
