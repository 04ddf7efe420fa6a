"""Random command lines: they work, or say in our words which option is wrong; never a traceback.

A hundred of them here; ``make fuzz`` makes 10,000. A command that works for long is stopped as
by Ctrl-C, which it must obey.
"""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
import signal
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.main import get_command

import stemfast as sf
from stemfast import dataset, recipes
from stemfast.cli import app
from stemfast.cli.errors import STOPPED
from test_random_calls import CALLS
from untrained import by_chance

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timers of CPU time")
pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
COMMAND_S, PATIENCE_S = 2.0, 10.0  # of CPU time

#: Words with which each command begins its work, or is refused for the last one of them.
BASES = {
    "simulate": "new.npy --pixels 8 8",
    "find": "a.npy --method classical --out new",
    "match": "a.npy --pixel-size-nm 1 --out new",
    "classify": "a.npy --method classical --pixel-size-nm 1 --model nothing",
    "report": "empty",
    "features": "a.npy --pixel-size-nm 1 --method classical --out new --material Unobtainium",
    "gallery": "new --only nothing",
    "train": "shapes --out new --device nothing",
    "train transfer": "--weights nothing --images set --out new",
    "evaluate": "nothing --out new",
    "predict": "nothing a.npy --out new.csv",
    "reconstruct": "a.npy --pixel-size-nm 1 --out new --material Unobtainium",
    "ceiling": "nothing --out new",
    "explore": "nothing.npy",
    "info": "",
    "demo": "--out a.npy",
    "dataset create": "shapes new -n 6 --size 16 --set field_nm=9 --set particle.diameter_nm=[2,3]",
    "dataset resume": "set",
    "dataset fields": "new -n 1 --size 64 --kind nothing",
    "dataset info": "set",
    "dataset verify": "set --sample 1",
    "dataset show": "set new.png --count 1",
    "dataset export": "set new --format npy",
    "study match": "--out a.npy",
    "study confidence": "--out a.npy",
    "study families": "--out a.npy",
    "study fit": "nothing",
    "study runs": "nothing",
    "study transfer": "--weights nothing --recipe nothing",
    "study baselines": "nothing",
}
WORDS = [
    *(
        "",
        " ",
        "0",
        "-1",
        "-0.0",
        "1",
        "2",
        "3.5",
        "1e-300",
        "1e300",
        "1e400",
        "inf",
        "-inf",
        "nan",
    ),
    *("nan", "9" * 400, "9223372036854775808", "1e9", "abc", "é", "\u202e", "\udcff", "a" * 5000),
    *("1,2,3", "1,2", "1,2,3,4", ",", ":", "0:1", "1:0", "-1:1", "0:9999999999", "x=", "=3", "a=b"),
    *("image_px=nan", "image_px=0", "particle.diameter_nm=[", "batch_size={}", "images=1e400"),
    *("a.b.c=1", "[1", "{", "--", "-", "*", "[", "~", "%s", "{0}", "missing.dm4", "train=0.5"),
    *(
        "a.npy",
        "a.tif",
        "a.png",
        "set",
        "net",
        "empty",
        "empty.npy",
        "text.txt",
        "broken.json",
        ".",
    ),
    *(
        "broken.json",
        "nothing/new",
        "set/plan.json",
        "text.txt/new",
        "x:30",
        "7:truncate:0.3",
        "7:round:nan",
    ),
    *(
        "shapes",
        "count",
        "finder",
        "ground-truth",
        "Au",
        "cuboid",
        "auto",
        "bright",
        "uint8",
        "cpu",
    ),
]


@dataclass(frozen=True)
class Option:
    """An option or argument of a command; `name` as it is typed."""

    name: str
    takes: int


def leaves(group, before=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*before, name))
        elif not command.hidden:
            yield " ".join((*before, name)), command


COMMAND = get_command(app)
OPTIONS = {
    name: [
        Option(p.opts[-1], 0 if getattr(p, "is_flag", False) else p.nargs)
        for p in command.params
        if p.opts[0].startswith("-")
        and "--help" not in p.opts
        # A server that is opened, a cluster that is waited for and a watch need somebody else.
        and not {"--browser", "--dask", "--watch", "--bench", "--workers"} & set(p.opts)
    ]
    for name, command in leaves(COMMAND)
}


def test_every_command_is_tried():
    assert set(OPTIONS) == set(BASES)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Small files of every kind; commands run in their folder, which is then as it was."""
    there = tmp_path_factory.mktemp("commands") / "here"
    there.mkdir()
    scan = sf.Scan(shape=(48, 48), pixel_size_nm=1.0)
    pixels = sf.simulate(sf.Sphere(9), microscope=sf.Microscope(scan=scan), seed=1)
    for name in ("a.npy", "a.tif", "a.png"):
        sf.Image(pixels, 1.0).save(there / name)
    small = recipes.get("shapes", image_px=16, field_nm=40, particle={"diameter_nm": (6, 12)})
    dataset.write(there / "set", small, seed=1, splits={"train": (0, 6)})
    from stemfast.pretrained import save

    save(there / "net", by_chance())
    (there / "empty").mkdir()
    (there / "empty.npy").touch()
    (there / "text.txt").write_text("no image")
    (there / "broken.json").write_text("{")
    shutil.copytree(there, there.parent / "pristine")
    with contextlib.chdir(there), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "400")
        patch.setenv("NO_COLOR", "1")
        patch.setenv("BROWSER", "true")
        run(["info"])  # what loads late is loaded before the clock runs
        run(["find", "a.npy", "--method", "classical", "--out", "new"])
        restored(there)
        yield there


def names(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*")}


@functools.cache
def usual(name: str) -> str:
    """Words that a command prints for its base words."""
    said = run([*name.split(), *BASES[name].split()])[2]
    restored(Path.cwd())
    return said


def restored(there: Path) -> tuple[set[str], set[str]]:
    """Files changed and files new in the folder, which is put back as it was."""
    pristine = there.parent / "pristine"
    was, now = names(pristine), names(there)
    new = set(now) - set(was)
    changed = {name for name in was if was[name] != now.get(name)}
    for name in sorted(new):
        path = there / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if changed:
        shutil.copytree(pristine, there, dirs_exist_ok=True)
    return changed, new


def run(words):
    """Exit code and words of a command, which a Ctrl-C ends after a while."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_PROF, COMMAND_S, PATIENCE_S)
    signal.setitimer(signal.ITIMER_REAL, 2 * PATIENCE_S, PATIENCE_S)  # for what waits
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            COMMAND.main(args=list(words), prog_name="stemfast")
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return code, *said


drawn = st.lists(
    st.tuples(st.integers(0, 99), st.lists(st.sampled_from(WORDS), min_size=2, max_size=2)),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=100 if CALLS == 300 else CALLS,
    deadline=None,
    derandomize=CALLS == 300,
    database=None,
    phases=[Phase.generate],  # what fails once is shown as it is
    suppress_health_check=list(HealthCheck),
)
@given(st.sampled_from(sorted(BASES)), drawn, st.integers(0, 9))
def test_a_command_works_or_says_why(place, name, chosen, cut):
    words = [*name.split(), *BASES[name].split()]
    tried = []
    if cut == 0 and name != "explore":  # which would serve a page for ever
        words = [*name.split(), *(value for _, two in chosen for value in two)]
    elif OPTIONS[name]:
        tried = [OPTIONS[name][at % len(OPTIONS[name])] for at, _ in chosen]
        for option, (_, values) in zip(tried, chosen, strict=True):
            words += [option.name, *values[: option.takes]]
    code, out, err = run(words)
    changed, new = restored(place)
    left = [item for item in new if Path(item).name.startswith(".")]
    told = f"{words}\n{code}\n{out}\n{err}\n{changed} {new}"
    assert not left, f"left over: {told}"
    if code in (0, STOPPED):
        return
    assert code in (1, 2), told
    assert "Traceback" not in err, told
    assert err.strip(), told
    assert err.startswith(("stemfast: ", "Usage: ", "warning: ", "note: ", "tilts: ")), told
    assert not changed, told
    if len(tried) == 1 and err != usual(name):
        came = [word.partition("=")[0][:40] for word in words[-tried[0].takes :] if word.strip()]
        came = [word.encode("utf-8", "backslashreplace").decode() for word in came]
        assert any(one in err for one in (tried[0].name, *came)), f"not named: {told}"
    if name != "dataset create" and "left out" not in err:  # some of several files
        assert not new, told
