"""Files of users: with a byte order mark, on a full disk, below a file, into a pipe."""

import os
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest

from transdiffuser_planner.core.errors import OutputError
from transdiffuser_planner.core.files import cache_folder, describe, read_text, why_not_writable, write_text, writing
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.evaluation.scenes.scene_files import read_content
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.params import RIGS, TOPICS
from transdiffuser_planner.replay.checks.yaml_file import load_mapping

BYTE_ORDER_MARK = "\ufeff"


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """A path below a file: not even root can write there."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    return tmp_path / "file" / "below" / "result.json"


@pytest.fixture
def small_disk():
    """A function that limits the size of files, as a full disk does, until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("mark", ["", BYTE_ORDER_MARK])
def test_a_byte_order_mark_changes_nothing(mark: str, tmp_path: Path) -> None:
    def copy(name: str, text: str) -> Path:
        (tmp_path / name).write_text(mark + text, encoding="utf-8")
        return tmp_path / name

    assert read_text(copy("text", "a")) == "a"
    assert read_content(copy("scene.json", '{"name": "a"}')) == {"name": "a"}
    assert read_content(copy("scene.yaml", "name: a")) == {"name": "a"}
    assert load_mapping(copy("conditions.yaml", "a: 1"), "file") == {"a": 1}
    for folder, kind in ((RIGS, Rig), (TOPICS, TopicMap)):
        original = folder / "carla.yaml"
        assert kind.load(copy("carla.yaml", original.read_text(encoding="utf-8"))) == kind.load(original)


def test_a_file_is_written_with_its_folder_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    for text in ("first", "second, longer", "3"):
        write_text(path, text)
        assert path.read_text(encoding="utf-8") == text and os.listdir(path.parent) == ["a.txt"]


def test_a_disk_that_is_full_keeps_the_previous_file_and_leaves_no_other(tmp_path: Path, small_disk) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")
    small_disk(1000)
    for target in (path, tmp_path / "b.txt"):
        with pytest.raises(OutputError, match=r"(a|b)\.txt: cannot be written \(File too large\); raise the limit"):
            write_text(target, "x" * 5000)
    assert path.read_text(encoding="utf-8") == "before" and os.listdir(tmp_path) == ["a.txt"]


def test_what_was_written_of_a_folder_is_removed_when_the_disk_is_full(tmp_path: Path, small_disk) -> None:
    partial = tmp_path / "samples.partial"
    small_disk(1000)
    for write in (lambda path: path.write_bytes(bytes(5000)), lambda path: write_text(path, "x" * 5000), save_array):
        partial.mkdir()
        reason = r"samples(/a)?: cannot be written \(.*\); (raise|free)"
        with pytest.raises(OutputError, match=reason), writing(tmp_path / "samples", partial):
            write(partial / "a")
        assert not os.listdir(tmp_path)


def save_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(5000))


def test_a_pipe_a_device_and_a_link_are_written_and_stay_what_they_are(tmp_path: Path) -> None:
    source, sink = os.pipe()
    write_text(f"/dev/fd/{sink}", "through")
    assert os.read(source, 100) == b"through"
    os.close(source)
    os.close(sink)
    write_text("/dev/null", "nothing")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "linked")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text(encoding="utf-8") == "linked"
    assert not Path("/dev/null").is_file()


def test_a_name_that_is_not_unicode_is_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / "a", os.fsdecode(b"f\xfcr"))
    assert (tmp_path / "a").read_bytes() == b"f\\udcfcr"


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_path_that_can_be_written_is_tried_without_a_trace(is_folder: bool, tmp_path: Path) -> None:
    assert not why_not_writable(tmp_path / "a" / "b" / "c", is_folder=is_folder)
    assert not why_not_writable(tmp_path / "a", is_folder=is_folder)
    assert not os.listdir(tmp_path)


def test_the_reason_names_what_is_in_the_way(no_folder: Path, tmp_path: Path) -> None:
    assert why_not_writable(no_folder, is_folder=False) == f"Not a directory: {tmp_path / 'file' / 'below'}"
    assert why_not_writable(tmp_path / "file", is_folder=True) == "Not a directory"
    assert why_not_writable(tmp_path, is_folder=False) == "Is a directory"
    assert why_not_writable(Path("/proc/new/a"), is_folder=False)
    assert why_not_writable(tmp_path / ("n" * 300), is_folder=False) == "File name too long"
    with pytest.raises(
        OutputError, match=r"result\.json: cannot be written \(Not a directory: .*file/below\); give a path"
    ):
        write_text(no_folder, "text")


def test_an_existing_file_is_not_touched_by_the_trial(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("content", encoding="utf-8")
    before = path.stat().st_mtime_ns
    assert not why_not_writable(path, is_folder=False)
    assert path.stat().st_mtime_ns == before and path.read_text(encoding="utf-8") == "content"


def test_without_a_home_the_cache_is_a_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "transdiffuser_planner"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987654)  # a user that /etc/passwd does not have
    assert cache_folder().parent == Path(tempfile.gettempdir())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "transdiffuser_planner"


def test_without_a_temporary_folder_the_line_names_the_variable() -> None:
    error = FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")
    assert (
        describe(error) == "No usable temporary directory found in ['/tmp']; set TMPDIR to a folder that can be written"
    )
    assert "TMPDIR" in describe(OSError(28, "No space left on device"))
