"""The README's code and commands do what the README says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[str]:
    lines = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.split()[:1] == [program]]


def test_every_command_shown_is_one_we_know_how_to_check():
    shown = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    assert sorted(shown) == sorted(commands("make") + commands("stemfast"))


#: What each block of Python prints, in order.
PRINTED = (("Cuboid", "(1000, 128, 128) uint16", "cuboid.tif"), ("(256, 128, 128) uint8",))


@pytest.mark.parametrize(("number", "printed"), list(enumerate(PRINTED)))
def test_python(number, printed, tmp_path):
    before = "".join(blocks("python")[:1]) if number else ""
    code = before + blocks("python")[number]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert all(text in run.stdout for text in printed)


def test_every_block_of_python_is_run():
    assert len(blocks("python")) == len(PRINTED)


@pytest.mark.parametrize("command", commands("stemfast"))
def test_stemfast(command, tmp_path):
    words = shlex.split(command)[1:]
    run = subprocess.run(
        [sys.executable, "-m", "stemfast", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    if words[0] in ("simulate", "gallery"):
        assert (tmp_path / words[1]).exists()
    if words[:2] == ["dataset", "create"]:
        assert (tmp_path / words[3] / "manifest.json").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("command", commands("make"))
def test_make(command):
    run = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_pictures_and_links_exist():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_the_page_on_architecture_names_what_exists():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page[page.index("| to change or add") :]
    named = set(re.findall(r"`([\w/]+(?:/|\.py))`", table))
    assert len(named) > 12
    roots = (ROOT, ROOT / "python" / "stemfast", ROOT / "python" / "stemfast" / "recipes")
    assert {name for name in named if not any((root / name).exists() for root in roots)} == set()
