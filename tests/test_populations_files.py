"""Files of a folder, and of those below it, that are taken for micrographs."""

from __future__ import annotations

from stemfast.populations.files import micrographs_in, warnings_about
from stemfast.populations.gather import TABLE


def test_files_of_one_name_are_told_and_series_of_tia_count_once(tmp_path):
    for name in ("a.dm4", "a.jpg", "s.emi", "s_1.ser", "t.emi"):
        (tmp_path / name).write_bytes(b"x")
    names = [task.name for task in micrographs_in(tmp_path)]
    assert names == ["a.dm4", "a.jpg", "s_1.ser", "t.emi"]


def test_files_of_subfolders_are_named_by_their_path_and_results_are_left_out(tmp_path):
    for name in ("a.npy", "b/a.npy", "b/c/d.npy", ".hidden/e.npy", "done/f.npy", "done/" + TABLE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [task.name for task in micrographs_in(tmp_path)] == ["a.npy"]
    names = [task.name for task in micrographs_in(tmp_path, subfolders=True)]
    assert names == ["a.npy", "b/a.npy", "b/c/d.npy"]
    assert warnings_about(names) == []
