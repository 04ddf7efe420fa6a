"""Folders of micrographs: one table, resumed after anything, and a report of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from small_session import PROBE, READ, RESULTS, picture, results, table, write_session
from stemfast.dataset.lock import FileLock
from stemfast.image import Image
from stemfast.micrograph.table import CUT, UNLIKE
from stemfast.populations import classify_folder, run, watch_folder, write_report
from stemfast.populations.files import Settling, micrographs_in
from stemfast.populations.part import headers, part_path, read_part
from stemfast.pretrained import save
from stemfast.training import Experiment
from stemfast.training.learnt_range import measure
from untrained import decided

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
EXPERIMENT = Experiment(name="small", recipe="shapes", image_px=32, validation_images=300)
CONFUSION = [[900, 60, 40], [50, 930, 20], [10, 20, 970]]


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """An untrained network that answers differently from image to image."""
    trained = decided(EXPERIMENT)
    novelty = measure(trained.model, EXPERIMENT.make_recipe(), seed=0, images=300)
    card = {**trained.card, "test": {"confusion": CONFUSION}}
    folder = tmp_path_factory.mktemp("network")
    save(folder, replace(trained, novelty_model=novelty, card=card))
    return folder


@pytest.fixture(scope="module")
def settings(network) -> dict:
    return {"model": network, **READ}


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    return write_session(tmp_path_factory.mktemp("session"))


@pytest.fixture(scope="module")
def undisturbed(session, settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    return out, classify_folder(session, out, **settings)


def test_one_table_of_all_files_and_a_report_of_it(undisturbed):
    out, report = undisturbed
    rows = table(out)
    assert [row["file"] for row in rows] == [f"m{k}.npy" for k in range(5) for _ in range(4)]
    told = json.loads((out / "report.json").read_text())
    assert told == report.content
    assert told["files"] == {"read": 6, "failed": 1, "without_particles": 1}
    assert told["particles"]["found"] == len(rows) == 20
    assert [one["file"] for one in told["failed"]] == ["broken.npy"]
    assert "cannot be read as a .npy file" in told["failed"][0]["why"]
    counted = [row for row in rows if row["not_sure_because"] not in (CUT, UNLIKE)]
    assert told["particles"]["counted"] == len(counted)
    for one in told["shapes"]:
        best = [
            max(("tetrahedron", "cuboid", "sphere"), key=lambda n: float(r[n])) for r in counted
        ]
        assert one["counted"] == best.count(one["shape"])
        assert one["low"] <= one["share"] <= one["high"]
        sure = [r for r in rows if r["shape"] == one["shape"]]
        assert one["sizes"]["n"] == len(sure) == sum(one["sizes"]["histogram"])
        if sure:
            middle = np.median([float(r["equivalent_diameter_nm"]) for r in sure])
            assert one["sizes"]["median_nm"] == pytest.approx(middle, rel=1e-5)
    assert told["corrected"]
    assert told["confusion"] == CONFUSION
    assert sum(one["share"] for one in told["shapes"]) == pytest.approx(1.0)
    assert report.failed == 1
    assert not list(out.rglob("*.tmp"))
    assert not (out / ".lock").exists()


def test_the_page_needs_nothing_else(undisturbed):
    page = (undisturbed[0] / "report.html").read_text(encoding="utf-8")
    without = re.sub(r'src="data:image/jpeg;base64,[^"]*"', "", page)
    assert not re.search(r"https?:|//[a-z]|<link|@import|src=", without)
    assert '<meta name="viewport" content="width=device-width' in page
    assert page.count("<img ") >= 20
    for name in ("m0.npy", "broken.npy", "sphere", "The least sure"):
        assert name in page


def test_what_is_done_is_not_done_again(undisturbed, session, settings, monkeypatch):
    out, _ = undisturbed
    before, seen = results(out), []
    read = run.classify_one
    monkeypatch.setattr(run, "classify_one", lambda p, *a: seen.append(p.name) or read(p, *a))
    counts = []
    classify_folder(session, out, begin=lambda *n: counts.append(n), **settings)
    assert counts == [(7, 6)]
    assert seen == ["broken.npy"]  # what failed is tried again
    assert results(out) == before


def test_a_file_that_changed_and_other_settings_are_read_again(session, settings, tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    for k in range(2):
        np.save(folder / f"m{k}.npy", picture(k))
    out, seen = tmp_path / "out", []
    arguments = {**settings, "tell": lambda part: seen.append(part.header.task.name)}
    classify_folder(folder, out, **arguments)
    np.save(folder / "m1.npy", picture(7, n=2))
    seen.clear()
    report = classify_folder(folder, out, **arguments)
    assert seen == ["m1.npy"]
    assert report.content["particles"]["found"] == 6
    seen.clear()
    report = classify_folder(folder, out, **{**arguments, "min_probability": 0.5})
    assert seen == ["m0.npy", "m1.npy"]
    assert len(list((out / "parts").iterdir())) == 2


def test_results_of_files_that_vanished_are_kept(settings, tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    for k in range(2):
        np.save(folder / f"m{k}.npy", picture(k))
    before = classify_folder(folder, tmp_path / "out", **settings).content
    (folder / "m0.npy").unlink()
    assert classify_folder(folder, tmp_path / "out", **settings).content == before


def test_a_file_that_vanishes_on_the_way_is_told(session, settings, tmp_path, monkeypatch):
    tasks = micrographs_in(session)
    gone = [*tasks, replace(tasks[0], name="gone.npy")]
    monkeypatch.setattr(run, "micrographs_in", lambda folder, subfolders: gone)
    report = classify_folder(session, tmp_path, **settings)
    assert {"file": "gone.npy", "why": "it is no longer there"} in report.content["failed"]
    assert report.content["files"]["read"] == 6


def test_a_file_that_is_being_written_is_not_taken_for_a_result(
    session, settings, tmp_path, monkeypatch
):
    early = [replace(task, mtime_ns=task.mtime_ns - 1) for task in micrographs_in(session)]
    with monkeypatch.context() as patch:
        patch.setattr(run, "micrographs_in", lambda folder, subfolders: early[2:3])
        report = classify_folder(session, tmp_path, **settings)
    assert "changed while it was read" in report.content["failed"][0]["why"]
    assert classify_folder(session, tmp_path, **settings).content["files"]["read"] == 6


def test_an_error_of_ours_ends_one_file_and_not_the_run(session, settings, tmp_path, monkeypatch):
    from stemfast.populations import one_file

    real = one_file.classify_in

    def broken(opened, *arguments, **options):
        if opened.name == "m2.npy":
            raise IndexError("of ours")
        return real(opened, *arguments, **options)

    monkeypatch.setattr(one_file, "classify_in", broken)
    report = classify_folder(session, tmp_path, **settings)
    assert {"file": "m2.npy", "why": "IndexError: of ours"} in report.content["failed"]
    assert report.content["files"]["read"] == 5


COMMAND = """
import sys, time
from stemfast.populations import classify_folder
if __name__ == "__main__":
    folder, out, model = sys.argv[1:4]
    classify_folder(
        folder, out, model=model, method="classical", contrast="bright", pixel_size_nm=0.5,
        max_novelty=float("inf"), tell=lambda part: time.sleep(0.3),
    )
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_killed_and_started_again_it_ends_with_the_same_bytes(
    session, settings, network, undisturbed, tmp_path
):
    out = tmp_path / "out"
    command = [sys.executable, "-c", COMMAND, str(session), str(out), str(network)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len(list(out.glob("parts/*.jsonl"))) < 3:
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (out / "report.html").exists()
    left = len(list(headers(out)))
    assert 3 <= left < 7
    # A part whose writing was cut short lies beside under a name that nobody reads.
    done = []
    classify_folder(session, out, begin=lambda *n: done.append(n), **settings)
    assert 0 < done[0][1] < 7
    assert results(out) == results(undisturbed[0])


def test_a_second_run_in_the_same_folder_is_refused(session, settings, tmp_path):
    other = FileLock(tmp_path / ".lock")
    assert other.acquire()
    with pytest.raises(FileExistsError, match="another run writes to"):
        classify_folder(session, tmp_path, **settings)
    other.release()
    assert not list(tmp_path.glob("parts/*"))


def test_a_damaged_part_is_told_or_made_again(session, settings, tmp_path):
    before = classify_folder(session, tmp_path, **settings).content
    part = part_path(tmp_path, "m1.npy")
    part.write_text(part.read_text().splitlines()[0][:20])  # nobody knows what it was of
    assert classify_folder(session, tmp_path, **settings).content == before
    part.write_text(part.read_text()[:-40])
    with pytest.raises(ValueError, match="is damaged .* remove it"):
        write_report(tmp_path)
    part.unlink()
    assert classify_folder(session, tmp_path, **settings).content == before


def test_a_report_can_be_written_again(undisturbed):
    out, _ = undisturbed
    before = results(out)
    for name in RESULTS:
        (out / name).unlink()
    write_report(out)
    assert results(out) == before


def test_a_watched_folder_gives_the_same_and_waits_for_files_to_be_complete(
    session, settings, undisturbed, tmp_path
):
    folder, out = tmp_path / session.name, tmp_path / "out"
    folder.mkdir()
    whole = {path.name: path.read_bytes() for path in session.glob("[!.]*.npy")}
    order = []

    def microscope() -> None:
        for name in ("m0.npy", "broken.npy", "nothing.npy"):
            (folder / name).write_bytes(whole[name])
        with (folder / "m1.npy").open("wb") as file:  # written slowly
            for chunk in np.array_split(np.frombuffer(whole["m1.npy"], np.uint8), 8):
                file.write(chunk.tobytes())
                file.flush()
                time.sleep(0.06)
        # Stopped half-way for so long that it seems complete; read again when it changes.
        (folder / "m2.npy").write_bytes(whole["m2.npy"][:5000])
        while "m2.npy" not in order:
            time.sleep(0.02)
        for name in ("m2.npy", "m3.npy", "m4.npy"):
            (folder / name).write_bytes(whole[name])

    thread = threading.Thread(target=microscope)
    thread.start()
    report = watch_folder(
        folder,
        out,
        poll_s=0.1,
        quiet_s=2.0,
        tell=lambda part: order.append(part.header.task.name),
        **settings,
    )
    thread.join()
    assert "m1.npy" in order
    assert order.count("m2.npy") >= 2
    assert report.content == undisturbed[1].content
    assert results(out) == results(undisturbed[0])


def test_watching_an_empty_folder_ends_with_a_word(settings, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no file that can be read as an image came"):
        watch_folder(tmp_path / "empty", tmp_path / "out", poll_s=0.01, quiet_s=0.05, **settings)
    with pytest.raises(ValueError, match="poll_s is 0"):
        watch_folder(tmp_path / "empty", tmp_path / "out", poll_s=0, **settings)


def test_a_file_is_complete_when_two_looks_found_no_change(session):
    looks, tasks = Settling(), micrographs_in(session)
    assert looks.complete(tasks) == looks.complete(tasks) == []
    grown = [replace(tasks[0], n_bytes=tasks[0].n_bytes + 1), *tasks[1:]]
    assert looks.complete(grown) == tasks[1:]
    assert looks.complete(grown) == tasks[1:]
    assert looks.complete(grown) == grown


def test_mixed_scales_contrasts_and_copies_are_told(network, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image(picture(0), 0.5, title="fine").save(folder / "fine.hspy")
    Image(picture(1), 2.0, title="coarse").save(folder / "coarse.hspy")
    Image(100 - picture(2), 0.5, title="dark").save(folder / "dark.hspy")
    Image(picture(0), 0.5, title="again").save(folder / "fine copy.hspy")
    np.save(folder / "fine.npy", picture(0))
    report = classify_folder(folder, tmp_path / "out", model=network, method="classical")
    notes = " / ".join(report.content["notes"])
    assert "mixed scales: 0.5 to 2 nm/px" in notes
    assert "mixed contrasts: particles are bright in 3 files, dark in 1 files" in notes
    assert "the same image in 2 files (fine copy.hspy, fine.hspy)" in notes
    assert "no pixel size" in report.content["failed"][0]["why"]
    assert report.content["scales"] == [
        {"pixel_size_nm": 0.5, "files": 3},
        {"pixel_size_nm": 2.0, "files": 1},
    ]


def test_files_without_a_scale_are_counted_and_sized_in_px(tmp_path):
    folder = tmp_path / "exported"
    folder.mkdir()
    np.save(folder / "a.npy", picture(0))
    bare = classify_folder(folder, tmp_path / "bare", method="classical")
    assert bare.content["size_unit"] == "px"
    assert bare.content["scales"] == []
    assert "no file has a scale: sizes are in px" in bare.content["notes"]
    rows = table(tmp_path / "bare")
    assert {(row["unit"], row["area_nm2"], row["x_nm"]) for row in rows} == {("px", "", "")}
    across = [float(row["equivalent_diameter_px"]) for row in rows if row["on_border"] == "false"]
    assert bare.content["all_sizes"]["median_px"] == pytest.approx(np.median(across), rel=1e-4)
    assert "Equivalent diameter [px]" in bare.page.read_text()

    Image(picture(0), 0.5).save(folder / "b.hspy")
    mixed = classify_folder(folder, tmp_path / "mixed", method="classical")
    assert mixed.content["size_unit"] == "nm"
    assert mixed.content["particles"]["found"] == 2 * bare.content["particles"]["found"]
    # The same particles, those of one file alone, and at the scale of the network as before.
    assert mixed.content["all_sizes"]["n"] == bare.content["all_sizes"]["n"]
    halved = 0.5 * bare.content["all_sizes"]["median_px"]
    assert mixed.content["all_sizes"]["median_nm"] == pytest.approx(halved)
    assert "1 of 2 files have no scale" in " ".join(mixed.content["notes"])
    shapes = {
        name: [r["shape"] for r in table(tmp_path / "mixed") if r["file"] == name]
        for name in ("a.npy", "b.hspy")
    }
    assert shapes["a.npy"] == shapes["b.hspy"]


def test_names_of_files_cannot_break_the_page(settings, tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    name = "<script>alert(1)<&\"'.npy"
    np.save(folder / name, picture(0))
    np.save(folder / "µm é.npy", picture(1))
    classify_folder(folder, tmp_path / "out", **settings)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("<script") == 2
    assert "µm é.npy" in page
    assert {row["file"] for row in table(tmp_path / "out")} == {name, "µm é.npy"}


def test_a_network_without_a_test_gives_shares_that_are_not_corrected(network, settings, tmp_path):
    from stemfast.pretrained import load

    folder = tmp_path / "session"
    folder.mkdir()
    np.save(folder / "m.npy", picture(0))
    trained = load(network)
    save(tmp_path / "other", replace(trained, card={"recipe": trained.card["recipe"]}))
    report = classify_folder(folder, tmp_path / "out", **{**settings, "model": tmp_path / "other"})
    assert not report.content["corrected"]
    assert any("not corrected for its mistakes" in note for note in report.content["notes"])


def test_a_report_of_nothing_is_refused(settings, session, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no file that can be read as an image"):
        classify_folder(tmp_path / "empty", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileNotFoundError, match="holds no results"):
        write_report(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        classify_folder(tmp_path / "nowhere", **settings)
    with pytest.raises(NotADirectoryError, match="is a file, expected a folder"):
        classify_folder(session / "m0.npy", **settings)
    with pytest.raises(ValueError, match="the folder of the micrographs"):
        classify_folder(session, session, **settings)
    with pytest.raises(FileExistsError, match="which is a file"):
        classify_folder(session, session / "notes.txt", **settings)
    with pytest.raises(ValueError, match="min_probability is 2"):
        classify_folder(session, tmp_path / "out", **{**settings, "min_probability": 2})


def test_files_without_any_particle_are_reported_too(settings, tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    np.save(folder / "nothing.npy", np.random.default_rng(0).normal(100.0, 1.0, (64, 64)))
    report = classify_folder(folder, tmp_path / "out", **settings)
    assert report.content["files"] == {"read": 1, "failed": 0, "without_particles": 1}
    assert "no particle was found in any file: there are no shares" in report.content["notes"]
    assert table(tmp_path / "out") == []
    assert "nothing.npy" in (tmp_path / "out" / "report.html").read_text()


def test_pictures_of_a_part_are_those_that_a_report_may_show(undisturbed):
    out, _ = undisturbed
    part = read_part(part_path(out, "m0.npy"))
    assert set(part.pictures) == {int(row["particle"]) for row in part.rows}


def test_the_page_sorts_its_tables_in_a_browser(undisturbed, tmp_path):
    import shutil

    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium on this machine")
    page = (undisturbed[0] / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(
        page.replace("</body>", f"{PROBE}</body>"), encoding="utf-8"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
    shown = subprocess.run(
        [browser, *flags, "--dump-dom", (tmp_path / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    said = json.loads(re.search(r"<title>(.*?)</title>", shown, re.DOTALL)[1])
    total, loaded = said.pop("pictures")
    assert total == loaded >= 20
    for name in ("shapes", "sizes", "particles"):
        up, down = said[name]
        assert up == sorted(up)
        assert down == sorted(up, reverse=True)
        assert len(up) > 1
