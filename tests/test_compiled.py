"""Programs that JAX compiles are kept from one command to the next, where it is safe to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stemfast.cli.compiled import keep_compiled

pytest.importorskip("jax")
PROGRAM = """
import os, warnings
warnings.simplefilter("error")
from stemfast.cli.compiled import keep_compiled
keep_compiled()
import jax
print(float(jax.jit(lambda x: x * x + 1)(3.0)))
"""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    for name in list(os.environ):
        if name.startswith("JAX_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def started(count: int) -> list[str]:
    runs = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=-1, stderr=-1, text=True)
        for _ in range(count)
    ]
    ended = [run.communicate() for run in runs]
    assert all(run.returncode == 0 for run in runs), ended
    return [out for out, _ in ended]


def test_processes_share_what_is_compiled_and_survive_damaged_files(cache):
    assert started(3) == ["10.0\n"] * 3
    kept = sorted(cache.rglob("*-cache"))
    assert kept
    for file in kept:
        file.write_bytes(file.read_bytes()[:20])
    assert started(1) == ["10.0\n"]


@pytest.mark.parametrize(
    "said", [{"JAX_COMPILATION_CACHE_DIR": "/mine"}, {"JAX_ENABLE_COMPILATION_CACHE": "false"}]
)
def test_what_the_user_says_goes_first(cache, said):
    environment = dict(said)
    assert keep_compiled(environment) is None
    assert environment == said
    assert not list(cache.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="modes of folders are those of POSIX")
def test_a_folder_that_others_may_write_to_is_not_used(cache):
    folder = keep_compiled({})
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    environment: dict[str, str] = {}
    assert keep_compiled(environment) is None
    assert environment == {}


def test_a_cache_that_cannot_be_made_is_done_without(cache, monkeypatch):
    (cache / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    monkeypatch.setenv("LOCALAPPDATA", str(cache / "file"))
    if sys.platform == "darwin":
        pytest.skip("the folder does not depend on variables")
    environment: dict[str, str] = {}
    assert keep_compiled(environment) is None
    assert environment == {}
