"""docs/recipes.md says of the conditions what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from stemfast import recipes
from stemfast.recipes import conditions
from stemfast.recipes.settings import known_keys

PAGE = (Path(__file__).parent.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
CORNERS = {f"particle.{key}": row for key, row in conditions.CORNERS.items()}
IMAGING = {f"imaging.{key}": row for key, row in conditions.IMAGING.items()}
SHAPES = {f"imaging.{key}": row for key, row in conditions.SHAPES.items()}


def rows(page):
    """Keys of a page's tables and the last three cells of their rows."""
    found = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) >= 4:
            found[cells[0].split("`")[1]] = cells[-3:]
    return found


def limits(cell):
    if cell in ("none", "–"):
        return (0.0, 0.0)
    low, _, high = cell.partition(" – ")
    return (float(low), float(high or low))


@pytest.mark.parametrize(("part", "table"), [(0, IMAGING | CORNERS), (1, SHAPES)])
def test_the_tables_of_conditions_are_those_that_are_used(part, table):
    section = PAGE.partition("\n## Conditions")[2].partition("\n## ")[0]
    said = rows(section.split("`shapes` reaches down")[part])
    ranges = {
        key: tuple(value if isinstance(value, tuple) else (value, value) for value in row)
        for key, row in table.items()
    }
    assert {key: tuple(limits(cell) for cell in cells) for key, cells in said.items()} == ranges


def test_every_setting_is_on_the_page():
    settings = {key for name in recipes.names() for key in known_keys(type(recipes.get(name)))}
    for key in settings - {"conditions"}:
        bare = key.rpartition(".")[2]
        assert f"`{key}`" in PAGE or f"`{bare}`" in PAGE, key
