"""Output into a closed pipe, onto a full disk, to a terminal without umlauts, to no stream at all."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scoring_scenes import straight_plan

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.cli.standard_streams import enduring_streams
from transdiffuser_planner.params import RIGS

MANY = 100_000
"""Characters: more than any buffer between program and pipe."""
GOLDEN = Path(__file__).parents[2] / "golden" / "town_drive"


def closed_pipe() -> io.TextIOWrapper:
    """A stream whose reader has ended."""
    source, sink = os.pipe()
    os.close(source)
    return os.fdopen(sink, "w", encoding="utf-8")


def scene() -> dict:
    lane = [[-20, -2], [120, -2], [120, 2], [-20, 2]]
    areas = [{"token": kind, "kind": kind, "ring": lane} for kind in ("drivable_area", "lane")]
    return {
        "name": "straight",
        "ego": {"pose": [0.0, 0.0, 0.0], "velocity": [8.0, 0.0]},
        "agents": [],
        "areas": areas,
        "route": ["lane"],
        "center_line": [[float(x), 0.0, 0.0] for x in range(-20, 121, 2)],
        "plans": {"mine": straight_plan(8.0)[0].tolist()},
    }


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_after_a_closed_pipe_output_is_discarded_without_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = closed_pipe()
    monkeypatch.setattr(sys, name, stream)
    with enduring_streams() as failures:
        for _ in range(3):
            print("x" * MANY, file=getattr(sys, name), flush=True)
    assert getattr(sys, name) is stream and not failures
    stream.close()  # what was still buffered has gone as well


def test_results_are_written_though_the_output_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scene.json").write_text(json.dumps(scene()), encoding="utf-8")
    results = [tmp_path / "results.json", tmp_path / "table.md"]
    words = ["evaluate", "scenes", str(tmp_path / "scene.json"), "--workers", "1"]
    with closed_pipe() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main([*words, "--out", str(results[0]), "--markdown", str(results[1])]) == 0
    assert all(path.stat().st_size > 0 for path in results)


def test_output_on_a_full_disk_is_an_error_after_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["replay", "--inspect", str(GOLDEN)]) == 2
    assert (
        capsys.readouterr().err
        == "transdiffuser: the output is incomplete (No space left on device); send it elsewhere\n"
    )


def test_what_the_encoding_does_not_have_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", errors="strict"))
    with enduring_streams():
        print("Prüfung", os.fsdecode(b"\xff"))
    assert raw.getvalue() == b"Pr\\xfcfung \\udcff\n"


def test_closed_standard_streams_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with enduring_streams() as failures:
        print("nowhere", file=sys.stderr)
        assert not sys.stderr.isatty()
    assert not failures and sys.stdout is None


def test_a_name_with_an_umlaut_is_found_and_printed_in_the_locale_c(tmp_path: Path) -> None:
    rig = tmp_path / "Prüfung.yaml"
    rig.write_text("\ufeff" + (RIGS / "carla.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "Straße").mkdir()
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run(
        [sys.executable, "-m", "transdiffuser_planner.cli.main", "report", str(tmp_path / "Straße"), "--rig", str(rig)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **locale, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    )
    assert run.returncode == 2
    assert "Straße: holds neither metadata.yaml nor" in run.stderr and "Traceback" not in run.stderr
