"""What a data set survives: kills, full disks, damage, other writers. Each is done for real."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from stemfast import dataset, recipes
from stemfast.dataset import folder
from stemfast.dataset.lock import FileLock
from stemfast.dataset.manifest import ShardEntry, file_sha256
from stemfast.dataset.verify import verify
from stemfast.recipes import Scenes

SETTINGS = {"image_px": 32, "field_nm": 40, "particle": {"diameter_nm": (6, 12)}}
RECIPE = recipes.get("shapes", **SETTINGS)
SPLITS = {"train": (0, 900), "test": (900, 1500)}
PLAN = dataset.Plan(RECIPE, 4, SPLITS, 60)  # 25 shards

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor mount")

WRITER = f"""
import sys
from stemfast import dataset, recipes
def write(folder):
    recipe = recipes.get("shapes", **{SETTINGS!r})
    return dataset.write(folder, recipe, seed=4, splits={SPLITS!r}, shard_images=60)
"""


def write(where):
    return dataset.write(where, RECIPE, seed=4, splits=SPLITS, shard_images=60)


def content(where):
    return {file.name: file.read_bytes() for file in where.iterdir()}


def names(where):
    return sorted(file.name for file in where.iterdir())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The set as it is when nothing happens; not to be changed."""
    where = tmp_path_factory.mktemp("undisturbed") / "set"
    write(where)
    return where


@pytest.fixture
def whole(undisturbed, tmp_path):
    """A copy of it to do harm to."""
    return shutil.copytree(undisturbed, tmp_path / "set")


def start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def committed(where):
    """Shards under their final names, each of which must be what its checksum says."""
    shards = sorted(where.glob("*.hspy"))
    for path in shards:
        beside = path.with_suffix(".json")
        if beside.exists():
            assert ShardEntry.read_from(beside).sha256 == file_sha256(path)
        else:
            assert (where / "manifest.json").exists()
    return [path.name for path in shards]


@posix
def test_kill_9_at_random_moments_loses_nothing_that_was_committed(tmp_path, undisturbed):
    where, moments = tmp_path / "set", random.Random(3)
    before: list[str] = []
    killed = 0
    for _ in range(6):
        with start("print(flush=True); write(sys.argv[1])", where) as process:
            process.stdout.readline()
            time.sleep(moments.uniform(0.0, 0.25))
            process.kill()
        killed += process.returncode == -signal.SIGKILL
        if not where.exists():
            continue
        now = committed(where)
        assert set(before) <= set(now)
        before = now
        if len(now) < len(PLAN.shards):
            with pytest.raises(FileNotFoundError, match=r"not complete|no data set"):
                dataset.open(where)
    assert killed >= 3
    write(where)
    assert content(where) == content(undisturbed)


AT_CALL = """
import os, signal
calls = 0
def deadly(function, at):
    def call(*arguments):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call
name, at = sys.argv[2], int(sys.argv[3])
setattr(os, name, deadly(getattr(os, name), at))
write(sys.argv[1])
"""


@posix
@pytest.mark.parametrize(
    ("function", "at"),
    [
        ("replace", 1),  # before there is a plan
        ("replace", 2),  # before the first shard's checksum
        ("replace", 3),  # between a checksum and its shard
        ("replace", 52),  # before the manifest: 1 plan, 25 checksums, 25 shards
        ("fsync", 9),
        ("unlink", 8),  # while what the manifest has taken over is removed
    ],
)
def test_kill_9_between_any_two_steps(tmp_path, undisturbed, function, at):
    where = tmp_path / "set"
    with start(AT_CALL, where, function, at) as process:
        assert process.wait(60) == -signal.SIGKILL, process.stderr.read()
    committed(where)
    assert len(write(where)) == 1500
    assert content(where) == content(undisturbed)


@posix
def test_ctrl_c_leaves_only_whole_shards(tmp_path, undisturbed):
    where = tmp_path / "set"
    with start("print(flush=True); write(sys.argv[1])", where) as process:
        while len(list(where.glob("*.hspy"))) < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert len(committed(where)) < len(PLAN.shards)
    assert not [name for name in names(where) if name.startswith(".")]
    write(where)
    assert content(where) == content(undisturbed)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_within_the_simulation_leaves_whole_shards(
    tmp_path, undisturbed, monkeypatch, error
):
    where, simulate = tmp_path / "set", Scenes.simulate

    def stop_at_the_third(self, *arguments):
        if self.start == 120:
            raise error
        return simulate(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Scenes, "simulate", stop_at_the_third)
        with pytest.raises(error):
            write(where)
    assert committed(where) == ["train-00000.hspy", "train-00001.hspy"]
    assert not [name for name in names(where) if name.startswith(".")]
    write(where)
    assert content(where) == content(undisturbed)


@posix
def test_writers_share_a_folder_and_the_work(tmp_path, undisturbed):
    where = tmp_path / "set"
    count = """
from stemfast.recipes import Scenes
simulate, made = Scenes.simulate, []
def counted(self, *arguments):
    made.append(len(self))
    return simulate(self, *arguments)
Scenes.simulate = counted
print(flush=True); sys.stdin.readline()
write(sys.argv[1])
print(sum(made))
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER + count, str(where)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    made = []
    for writer in writers:
        out, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
        made.append(int(out))
    assert sum(made) == 1500  # nothing twice
    assert content(where) == content(undisturbed)


def test_a_shard_that_somebody_else_is_writing_is_waited_for(tmp_path, undisturbed):
    where = tmp_path / "set"
    folder.join(where, PLAN)
    lock = FileLock(where / ".train-00000.hspy.lock")
    assert lock.acquire()
    with start("write(sys.argv[1])", where) as process:
        while len(list(where.glob("*.hspy"))) < 24:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        time.sleep(0.3)
        assert process.poll() is None
        assert "train-00000.hspy" not in names(where)
        lock.release()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert content(where) == content(undisturbed)


def test_leftovers_of_the_killed_are_removed(tmp_path, undisturbed):
    where = tmp_path / "set"
    folder.join(where, PLAN)
    for name in (".train-00003.hspy.elsewhere-1-aa.tmp", ".train-00003.hspy.lock"):
        (where / name).touch()
    write(where)
    assert content(where) == content(undisturbed)


def test_the_lock_of_one_killed_at_the_very_end_is_removed(tmp_path, undisturbed):
    where = tmp_path / "set"
    write(where)
    (where / folder.LOCK_FILE).touch()
    write(where)
    assert content(where) == content(undisturbed)


def in_its_own_mounts(script, *arguments):
    """Run Python where it may mount what it likes, which nobody else sees."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare to mount with")
    trial = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(arguments[0])]
    if subprocess.run(trial, capture_output=True).returncode:
        pytest.skip("this system lets nobody but root mount a file system")
    return subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", WRITER + script, *map(str, arguments)],
        capture_output=True,
        text=True,
    )


FULL_DISK = """
import subprocess
from pathlib import Path
from stemfast.dataset.manifest import ShardEntry, file_sha256
disk = sys.argv[1]
def mount(*words):
    subprocess.run(["mount", *words, disk], check=True)
mount("-t", "tmpfs", "-o", "size=" + sys.argv[2], "tmpfs")
where = Path(disk, "set")
try:
    write(where)
except OSError as error:
    print(error.errno, error.filename, error.strerror)
for path in where.glob("*.hspy"):
    assert ShardEntry.read_from(path.with_suffix(".json")).sha256 == file_sha256(path)
print(len(list(where.glob("*.hspy"))), list(where.glob(".*")))
mount("-o", "remount,size=64m")
write(where)
import shutil
shutil.copytree(where, sys.argv[3])
"""


@posix
@pytest.mark.parametrize("size", ["900k", "925k", "4k"])
def test_a_full_disk_stops_the_writing_and_spoils_nothing(tmp_path, undisturbed, size):
    (tmp_path / "disk").mkdir()
    run = in_its_own_mounts(FULL_DISK, tmp_path / "disk", size, tmp_path / "copy")
    assert run.returncode == 0, run.stderr
    error, state = run.stdout.splitlines()
    assert error.startswith("28 ")
    assert str(tmp_path / "disk") in error
    assert "No space left on device" in error
    assert state.endswith(" []")
    assert (int(state.split()[0]) > 2) == (size != "4k")
    assert content(tmp_path / "copy") == content(undisturbed)


READ_ONLY = """
import subprocess
from stemfast import dataset
disk, there = sys.argv[1:]
subprocess.run(["mount", "--bind", there, there], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", there], check=True)
print(len(write(there)))
subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], check=True)
for path in (disk, disk + "/set"):
    try:
        write(path)
    except OSError as error:
        print(type(error).__name__, error.filename, error.strerror)
"""


@posix
def test_a_read_only_folder_is_named_and_a_whole_set_in_one_is_opened(tmp_path, whole):
    disk = tmp_path / "disk"
    disk.mkdir()
    run = in_its_own_mounts(READ_ONLY, disk, whole)
    assert run.returncode == 0, run.stderr
    opened, folder_itself, within = run.stdout.splitlines()
    assert opened == "1500"
    assert folder_itself.startswith(f"PermissionError {disk} the folder cannot be written to")
    assert within == f"OSError {disk}/set Read-only file system"


def test_a_file_where_the_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "set"):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - which kind depends on the system
            write(path)
        assert str(tmp_path / "file") in str(caught.value)


def test_a_shard_cut_short_is_found_and_written_again(whole, undisturbed):
    os.truncate(whole / "train-00003.hspy", 5000)
    with pytest.raises(ValueError, match=r"train-00003\.hspy"):
        dataset.open(whole)
    (problem,) = verify(whole, sample=5).problems
    assert "train-00003.hspy is cut short" in problem
    assert f"stemfast dataset resume {whole}" in problem
    write(whole)
    assert content(whole) == content(undisturbed)


@pytest.mark.parametrize("where", ["the description", "the images", "the end"])
def test_a_flipped_bit_is_found_wherever_it_is(whole, undisturbed, where):
    path = whole / "test-00001.hspy"
    inside = bytearray(path.read_bytes())
    middle = len(inside) // 2
    inside[{"the description": 40, "the images": middle, "the end": -1}[where]] ^= 4
    path.write_bytes(inside)
    found = verify(whole, sample=5)
    assert (found.n_shards, found.n_simulated) == (25, 5)
    (problem,) = found.problems
    assert f"{path} differs from its checksum: remove it, then run: stemfast" in problem
    path.unlink()
    write(whole)
    assert content(whole) == content(undisturbed)
    assert verify(whole, sample=5).problems == ()


def test_images_that_would_not_be_simulated_again_are_found(whole):
    """A shard that fits its checksum, but not its recipe: as if another version had written it."""
    path = whole / "test-00001.hspy"
    with h5py.File(path) as file:
        (group,) = file["Experiments"].values()
        offset, image = group["data"].id.get_chunk_info(0).byte_offset, group["data"][0]
    inside = bytearray(path.read_bytes())
    inside[offset + 7 * image.nbytes] ^= 1  # the eighth image of the shard
    path.write_bytes(inside)
    manifest = json.loads((whole / "manifest.json").read_text())
    (entry,) = [shard for shard in manifest["shards"] if shard["file"] == path.name]
    entry["sha256"] = file_sha256(path)
    (whole / "manifest.json").write_text(json.dumps(manifest))
    (problem,) = verify(whole, sample=10**6).problems
    assert f"{path}: image 7 (scene 967) is not what this stemfast" in problem
    assert f"stemfast {manifest['stemfast_version']} wrote it" in problem


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
def test_a_newer_format_is_refused(whole, name):
    (whole / "manifest.json").rename(whole / name)
    change(whole / name, format_version=99, something_new=True)
    message = rf"{name} has format_version 99, this stemfast reads \d+: update stemfast"
    for attempt in (dataset.open, write, verify):
        with pytest.raises(ValueError, match=message):
            attempt(whole)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "another"}'])
def test_a_damaged_manifest_is_refused(whole, text):
    (whole / "manifest.json").write_text(text)
    for attempt in (dataset.open, write, verify):
        with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
            attempt(whole)


def test_another_version_does_not_continue_a_set(whole):
    change(whole / "manifest.json", stemfast_version="0.0.1")
    (whole / "train-00000.hspy").unlink()
    with pytest.raises(ValueError, match=r"stemfast_version: 0\.0\.1 → "):
        write(whole)


def test_a_recipe_setting_of_another_version_is_named(whole):
    manifest = json.loads((whole / "manifest.json").read_text())
    change(whole / "manifest.json", settings=manifest["settings"] | {"sparkle": 3})
    assert len(dataset.open(whole)) == 1500  # reading needs no recipe
    with pytest.raises(ValueError, match=r"cannot draw its recipe again: .*sparkle"):
        verify(whole)


def test_a_missing_shard_is_named(whole):
    (whole / "train-00003.hspy").unlink()
    with pytest.raises(FileNotFoundError, match=r"train-00003\.hspy is missing"):
        dataset.open(whole)
    (problem,) = verify(whole, sample=5).problems
    assert "train-00003.hspy is missing: run: stemfast dataset resume" in problem


def test_a_checksum_that_cannot_be_read_costs_one_shard(tmp_path, undisturbed):
    where = tmp_path / "set"
    for k in range(3):
        dataset.make_shard(where, PLAN, k)
    (where / "train-00001.json").write_text("{")
    assert np.array_equal(folder.present(where, PLAN), [0, 2])
    write(where)
    assert content(where) == content(undisturbed)
