"""`make test`: every folder is tested once, both passes always run, and their results are added up."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

TEST = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def run_all():
    spec = importlib.util.spec_from_file_location("run_all", TEST / "run_all.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_folder_with_tests_is_in_one_of_the_passes(run_all):
    parallel, serial = run_all.commands(TEST, 2)
    named = [word for word in (*parallel, *serial) if word.startswith(str(TEST))]
    assert sorted(named) == sorted({str(TEST / path.relative_to(TEST).parts[0]) for path in TEST.rglob("test_*.py")})
    assert "-n" in parallel and "-n" not in serial
    assert str(TEST / "unit") in parallel and str(TEST / "ros") in serial


@pytest.mark.parametrize(("statuses", "expected"), [((0, 0), 0), ((1, 0), 1), ((0, 2), 2), ((1, 2), 1)])
def test_both_passes_run_and_either_one_fails_the_whole(run_all, monkeypatch, capsys, statuses, expected):
    left = list(statuses)

    def run(command, cwd):
        report = next(word for word in command if word.startswith("--junitxml=")).split("=", 1)[1]
        Path(report).write_text('<testsuites><testsuite tests="10" failures="1" errors="0" skipped="2"/></testsuites>')
        assert command[-1] == "--maxfail=3"
        return subprocess.CompletedProcess(command, left.pop(0))

    monkeypatch.setattr(run_all.subprocess, "run", run)
    assert run_all.main(["--maxfail=3"]) == expected
    assert left == [] and capsys.readouterr().out == "both passes: 14 passed, 2 failed, 4 skipped\n"
