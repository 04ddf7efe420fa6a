"""What the whole test run needs."""

import gc
import importlib.util
import mmap
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Everything that JAX compiles is kept, in the folder that pytest keeps its own notes in.
COMPILED = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
#: XLA's older code generator compiles small networks in two thirds of the time of the one that
#: replaces it; what it makes runs at about the same speed.
OLDER_EMITTERS = "xla_cpu_use_fusion_emitters"
#: Files that take half a minute and more begin first, so that no process ends long after another.
LONG = (
    "test_types.py",
    "test_ground_truth_run.py",
    "test_demo.py",
    "test_reconstruct_spin.py",
    "test_explore_browser.py",
    "test_examples.py",
    "test_find_real.py",
    "test_ground_truth_shipped.py",
    "test_corner_classifier.py",
    "test_training_run.py",
    "test_training_processes.py",
    "test_features_command.py",
    "test_readme.py",
    "test_refine_sets.py",
    "test_populations_cluster.py",
    "test_cluster.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files of tests first, then those that compile the quick way; else the order is kept.

    What is traced and compiled the one way is dropped where a file does it the other way.
    """
    rank = {name: k for k, name in enumerate(LONG)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        module = item.getparent(pytest.Module)
        quick = module is not None and _asks_for_quick(module)
        return rank.get(item.path.name, len(LONG)), not quick

    items.sort(key=place)


def pytest_configure(config: pytest.Config) -> None:
    """Share what JAX compiles and the cores, and let Ctrl-C through to what tests start.

    The files of tests run side by side and start programs of their own, all of which build the same
    networks: compiled once, they take half the time, and a third in the next run. It is set before
    JAX is loaded, and processes inherit it.

    Most of what the networks' tests take is compiling, so that is done the quick way.

    Linear algebra gets one thread: files of tests share the cores as it is, and threads that wait
    for each other on busy cores take many times as long.

    Python looks for garbage less often: tracing a network makes a million objects that stay, beside
    the millions that the collected tests are, and looking at them again and again takes a tenth of
    what collecting tests and tracing take.

    A shell starts background jobs with SIGINT ignored, and children inherit that; the tests that
    stop a child with it would wait for ever.
    """
    gc.set_threshold(20_000, 20, 50)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cache = getattr(config, "cache", None)
    if cache is not None and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        os.environ |= {"JAX_COMPILATION_CACHE_DIR": str(cache.mkdir("jax")), **COMPILED}
    if "XLA_FLAGS" not in os.environ and _jaxlib_knows(OLDER_EMITTERS):
        os.environ["XLA_FLAGS"] = f"--{OLDER_EMITTERS}=false"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _jaxlib_knows(flag: str) -> bool:
    """True if the installed XLA has a flag; it ends a process that gives it one it has not."""
    spec = importlib.util.find_spec("jaxlib")
    for folder in (spec and spec.submodule_search_locations) or ():
        for library in Path(folder).glob("*.so"):
            with (
                library.open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held,
            ):
                if held.find(flag.encode()) >= 0:
                    return True
    return False


@pytest.fixture(scope="module", autouse=True)
def _settled() -> Iterator[None]:
    """Leave what a file of tests made out of later garbage collections.

    JAX keeps millions of objects for what it compiled, and each collection would look at all of
    them: a second and more late in the run, and reading a micrograph collects.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _compiled_as_asked(request: pytest.FixtureRequest) -> None:
    """Compile the quick way for the files of tests that ask for it, the usual way for others."""
    quickly = _asks_for_quick(request.node)
    if quickly or "jax" in sys.modules:
        _compile(quickly)


@pytest.fixture(scope="module")
def quickly_compiled() -> None:
    """Compile for what programs do, not for their speed, which halves the time that takes.

    For files of tests that run small networks a few times; processes that they start do the same.
    """


def _asks_for_quick(node: pytest.Item | pytest.Collector) -> bool:
    return any("quickly_compiled" in mark.args for mark in node.iter_markers("usefixtures"))


def _compile(quickly: bool) -> None:
    import jax

    name = "jax_disable_most_optimizations"
    if jax.config.read(name) == quickly:
        return
    jax.config.update(name, quickly)
    if quickly:
        os.environ[name.upper()] = "1"
    else:
        os.environ.pop(name.upper(), None)
    # Programs compiled the other way round otherwise than those of a new process.
    jax.clear_caches()


@pytest.fixture
def stemfast(tmp_path, monkeypatch):
    """Run a command in an empty folder; a wide terminal keeps messages on one line."""
    from typer.testing import CliRunner

    from stemfast.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda *words: CliRunner().invoke(app, list(words))
