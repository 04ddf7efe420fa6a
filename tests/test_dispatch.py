"""The instruction set that the core picks, and the names of what goes into it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from stemfast import _core

# psABI, table "Micro-architecture levels": register of CPUID, or XCR0, and bit of each feature.
FEATURES = {
    2: {
        "SSE3": ("leaf1_ecx", 0),
        "SSSE3": ("leaf1_ecx", 9),
        "CMPXCHG16B": ("leaf1_ecx", 13),
        "SSE4.1": ("leaf1_ecx", 19),
        "SSE4.2": ("leaf1_ecx", 20),
        "POPCNT": ("leaf1_ecx", 23),
        "LAHF-SAHF": ("leaf80000001_ecx", 0),
    },
    3: {
        "FMA": ("leaf1_ecx", 12),
        "MOVBE": ("leaf1_ecx", 22),
        "OSXSAVE": ("leaf1_ecx", 27),
        "AVX": ("leaf1_ecx", 28),
        "F16C": ("leaf1_ecx", 29),
        "BMI1": ("leaf7_ebx", 3),
        "AVX2": ("leaf7_ebx", 5),
        "BMI2": ("leaf7_ebx", 8),
        "LZCNT": ("leaf80000001_ecx", 5),
        "XMM state": ("xcr0", 1),
        "YMM state": ("xcr0", 2),
    },
    4: {
        "AVX512F": ("leaf7_ebx", 16),
        "AVX512DQ": ("leaf7_ebx", 17),
        "AVX512CD": ("leaf7_ebx", 28),
        "AVX512BW": ("leaf7_ebx", 30),
        "AVX512VL": ("leaf7_ebx", 31),
        "opmask state": ("xcr0", 5),
        "ZMM0-15 upper halves": ("xcr0", 6),
        "ZMM16-31 state": ("xcr0", 7),
    },
}
EACH = [(level, name) for level, features in FEATURES.items() for name in features]
#: What Linux calls the features whose name in /proc/cpuinfo is not their own in small letters.
LINUX = {
    "SSE3": "pni",
    "CMPXCHG16B": "cx16",
    "SSE4.1": "sse4_1",
    "SSE4.2": "sse4_2",
    "LAHF-SAHF": "lahf_lm",
    "LZCNT": "abm",
}


def words_of(features):
    words = dict.fromkeys(("leaf1_ecx", "leaf7_ebx", "leaf80000001_ecx", "xcr0"), 0)
    for register, bit in features:
        words[register] |= 1 << bit
    return words


def up_to(level):
    return [where for k, features in FEATURES.items() if k <= level for where in features.values()]


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_level_is_reached_with_its_features_alone(level):
    assert _core.x86_level(**words_of(up_to(level))) == level


@pytest.mark.parametrize(("level", "name"), EACH)
def test_a_masked_feature_takes_its_level_away(level, name):
    everything = dict.fromkeys(words_of([]), 2**32 - 1)
    assert _core.x86_level(**everything) == 4
    register, bit = FEATURES[level][name]
    assert _core.x86_level(**{**everything, register: everything[register] ^ 1 << bit}) == level - 1


def test_this_processor_runs_the_levels_that_linux_says_it_has():
    info, cpuinfo = _core.info(), Path("/proc/cpuinfo")
    if info["compiled"] != ["v2", "v3", "v4"] or not cpuinfo.exists():
        pytest.skip("expected the x86-64 levels on Linux")
    found = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    assert found is not None
    # Linux drops the flags of registers that it does not save, and does not list OSXSAVE.
    flags = set(found[1].split()) | {"osxsave"}
    has = {
        level: all(
            LINUX.get(name, name.lower()) in flags
            for name in features
            if "state" not in name and "ZMM" not in name
        )
        for level, features in FEATURES.items()
    }
    levels = [level for level in has if all(has[k] for k in range(2, level + 1))]
    assert info["runnable"] == [f"v{level}" for level in levels]
    assert info["instruction_set"] in info["runnable"]


def test_the_stub_names_what_the_core_has():
    stub = Path(_core.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    named = set()
    for node in ast.parse(stub).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            named.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            named.add(node.target.id)
    assert named == {name for name in dir(_core) if not name.startswith("__")}


@pytest.mark.parametrize("dtype", [_core.film_dtype, _core.stray_dtype])
def test_records_of_the_core_have_a_name_for_every_number(dtype):
    assert dtype.itemsize == 8 * len(dtype.names) == 80
    assert all(dtype[name] == np.float64 for name in dtype.names)


def test_the_core_refuses_films_without_names():
    field = {"rows": 4, "columns": 4, "pixel_size": 0.5, "seed": 1, "index": 0}
    film = np.zeros(1, _core.film_dtype)
    assert not _core.film(film, **field).any()
    other = [(name, np.float64) for name in reversed(_core.film_dtype.names)]
    for bad in (np.zeros((1, 10)), np.zeros(1, _core.stray_dtype), film.astype(other)):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            _core.film(bad, **field)
