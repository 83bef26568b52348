"""Bags and samples are the same wherever they are made: in one process, in several, over Ray."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("libsumo")
pytest.importorskip("embreex")
pytest.importorskip("rosbags")
pytest.importorskip("tqdm")

from shared_drives import SEEDS, recorded_drives

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.parallel import fan_out, files_in, put_files

pytestmark = pytest.mark.slow

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


def made(folder: Path, *options: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Bags and samples made by the commands with these options."""
    assert main(["simulate", "--record", str(folder / "bags"), *SEEDS, *options]) == 0
    assert main(["dataset", str(folder / "bags"), "--out", str(folder / "samples"), *options]) == 0
    return files_in(folder / "bags"), files_in(folder / "samples")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What one process makes."""
    folder = recorded_drives(tmp_path_factory)
    return files_in(folder / "bags"), files_in(folder / "samples")


def test_several_processes_make_the_same_bags_and_samples(alone, tmp_path: Path) -> None:
    assert len(alone[0]) >= 6 and len(alone[1]) >= 20
    assert made(tmp_path, "--workers", "2") == alone


@needs_ray
def test_ray_makes_the_same_bags_and_samples_and_nothing_twice(alone, tmp_path: Path) -> None:
    assert made(tmp_path, "--ray") == alone
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert made(tmp_path, "--ray") == alone
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


@needs_ray
def test_what_cannot_be_recorded_or_read_is_named_over_ray_too(tmp_path: Path, capsys) -> None:
    noise = tmp_path / "noise.mcap"
    noise.write_bytes(bytes(range(256)) * 40)
    assert main(["dataset", str(noise), "--out", str(tmp_path / "samples"), "--ray"]) == 1
    assert main(["simulate", "--record", str(tmp_path), "--seed", "8106", "--duration", "1", "--ray"]) == 1
    text = capsys.readouterr().err
    assert "cannot be opened" in text and "seed 8106 skipped: " in text and "Traceback" not in text


@pytest.mark.parametrize("command", ["simulate", "dataset"])
def test_without_ray_one_line_says_so(command: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "bag.mcap").touch()
    arguments = {
        "simulate": ["--record", str(tmp_path / "bags"), "--seed", "8106"],
        "dataset": [str(tmp_path / "bag.mcap"), "--out", str(tmp_path / "samples")],
    }[command]
    assert main([command, *arguments, "--ray"]) == 2
    assert "Ray is not installed; install the ray extra" in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_refused() -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=r"--ray nowhere"):
        list(fan_out(abs, [1], workers=1, ray_address="nowhere"))


def test_jobs_are_done_in_this_process_or_in_several_with_the_same_outcomes() -> None:
    assert list(fan_out(abs, [-2, 3], workers=1)) == [2, 3]
    assert sorted(fan_out(abs, [-2, 3, -5], workers=2)) == [2, 3, 5]
    assert list(fan_out(abs, [], workers=4, ray_address="local")) == []


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "a" / "below").mkdir(parents=True)
    (tmp_path / "a" / "below" / "x").write_bytes(b"1")
    (tmp_path / "a" / "y").write_bytes(b"")
    put_files(files_in(tmp_path / "a"), tmp_path / "b")
    assert files_in(tmp_path / "b") == {"below/x": b"1", "y": b""} and not (tmp_path / "b.partial").exists()
