"""Imports: what importing stemfast loads, and the layering of its rooms."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "stemfast"
CPP = ROOT / "cpp"
HEAVY = (
    "jax",
    "flax",
    "matplotlib",
    "h5py",
    "skimage",
    "sklearn",
    "rsciio",
    "PIL",
    "keras",
    "orbax",
    "bokeh",
    "tornado",
)


def loaded_after(code: str) -> set[str]:
    script = (
        f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("code", ["import stemfast", "import stemfast.cli"])
def test_importing_loads_nothing_heavy(code):
    loaded = loaded_after(code)
    assert "stemfast" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert "scipy" not in loaded


@pytest.mark.parametrize("room", ["micrograph", "fields", "recipes", "classification"])
def test_rooms_that_need_no_network_load_none(room):
    assert loaded_after(f"import stemfast.{room}").isdisjoint(HEAVY)


def test_every_public_name_exists_and_says_what_it_is():
    import stemfast

    assert stemfast.__all__
    for name in stemfast.__all__:
        value = getattr(stemfast, name)
        if callable(value):
            assert value.__doc__, name


def test_reconstruct_is_a_function_whatever_was_imported_before():
    import stemfast
    import stemfast.reconstruction.solve
    from stemfast.cli import reconstruct as command

    assert command
    assert callable(stemfast.reconstruct)
    assert stemfast.ground_truth is stemfast.reconstruct
    assert stemfast.reconstruction.Reconstruction


def imported_by(folder: Path) -> dict[str, set[str]]:
    """Names of stemfast modules that each file of a folder imports, at the top or anywhere."""
    found: dict[str, set[str]] = {}
    for file in sorted(folder.rglob("*.py")):
        package = ["stemfast", *file.relative_to(PACKAGE).parts[:-1]]
        names: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                names.update(f"{module}.{alias.name}" for alias in node.names)
        found[str(file.relative_to(PACKAGE))] = {n for n in names if n.startswith("stemfast")}
    return found


#: Rooms of the package, lowest first. A module imports from its own floor and from those below.
FLOORS = (
    {"arguments", "elementary", "atomic", "lazy", "untrusted", "user_cache"},
    {"units", "image", "draws", "framing", "orientation", "symmetry", "noise", "tables"},
    {"scattering"},
    {"materials", "models"},
    {"particles", "microscope"},
    {"simulation", "reference"},
    {"recipes", "plots", "pretrained"},
    {"fields"},
    {"dataset", "gallery"},
    {"micrograph", "evaluation"},
    {"finding"},
    {"fit", "describing", "matching", "training"},
    {"reconstruction", "transfer"},
    {"classification"},
    {"populations"},
    {"demo"},
    {"studies", "explore"},
    {"cli", "__main__"},
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FACE = "__init__.py"  # imports upward, when a name is used
MOST_FILES = 15
MODULES = {
    ".".join(("stemfast", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): str(file.relative_to(PACKAGE))
    for file in PACKAGE.rglob("*.py")
}


def room(module: str) -> str:
    return module.split(".")[1]


def edges() -> set[tuple[str, str]]:
    """Pairs of module and imported module, the package's face left out."""
    files = imported_by(PACKAGE)
    found = set()
    for module, file in MODULES.items():
        for name in files[file]:
            target = name if name in MODULES else name.rpartition(".")[0]
            if file != FACE and target in MODULES and target not in ("stemfast", module):
                found.add((module, target))
    return found


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES if module != "stemfast"} == set(LEVEL)


def test_no_module_imports_upward():
    upward = {(a, b) for a, b in edges() if LEVEL[room(b)] > LEVEL[room(a)]}
    assert sorted(upward) == []


def test_no_circle_of_modules():
    """Kahn's algorithm: take away modules that import nothing that is left, until none is left."""
    pairs = edges()
    left = {module: {b for a, b in pairs if a == module} for module in MODULES}
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert sorted(left) == []


def test_no_folder_is_crowded():
    folders = {file.parent for file in PACKAGE.rglob("*.py")} - {PACKAGE / "cli"}
    sizes = {str(f.relative_to(PACKAGE)): len(list(f.glob("[!_]*.py"))) for f in folders}
    assert {folder: size for folder, size in sizes.items() if size > MOST_FILES} == {}


def test_only_the_command_line_imports_studies():
    users = {room(a) for a, b in edges() if room(b) == "studies"}
    assert users <= {"cli", "studies"}


def test_the_check_of_layers_sees_relative_and_lazy_imports():
    assert ("stemfast.plots.gif", "stemfast.simulation.simulate") in edges()


def test_nobody_has_a_drawer_for_odds_and_ends():
    files = [*PACKAGE.rglob("*.py"), *CPP.rglob("*.?pp")]
    assert not [f for f in files if re.fullmatch(r"(utils?|helpers?|common|misc)", f.stem)]


def cpp_files_matching(pattern: str) -> set[str]:
    files = [*CPP.rglob("*.cpp"), *CPP.rglob("*.hpp")]
    assert files
    return {
        file.relative_to(CPP).as_posix()
        for file in files
        if re.search(pattern, file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }


def test_pybind11_stays_in_the_bindings():
    files = cpp_files_matching(r"#\s*include\s*[<\"]pybind11|\bpy::|pybind11::")
    assert files
    assert all(file.startswith("bindings/") for file in files)


def test_openmp_stays_in_one_header():
    files = cpp_files_matching(r"^\s*#\s*(pragma\s+omp|include\s*<omp\.h>)")
    assert files == {"include/stemfast/parallel.hpp"}


def test_only_the_bridge_modules_know_the_core():
    """`_core` is reached through the modules that wrap it, and by `stemfast info`."""
    users = {
        file
        for file, names in imported_by(PACKAGE).items()
        if any(name.startswith("stemfast._core") for name in names)
    }
    assert not any(user.startswith("reference") for user in users)
    assert not {
        file for file in users if file.split("/")[0] in ("models", "training", "micrograph")
    }
