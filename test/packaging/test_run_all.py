"""`make test`: every folder is tested once, both passes always run, and their results are added up."""

import importlib.util
import subprocess
import sys
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


def test_a_pass_whose_process_dies_is_run_once_more(run_all, monkeypatch, capsys):
    deaths, ended = [True, False, True, True], []

    def run(command, cwd):
        report = next(word for word in command if word.startswith("--junitxml=")).split("=", 1)[1]
        ended.append(deaths[len(ended)])
        if ended[-1]:
            return subprocess.CompletedProcess(command, -11)
        Path(report).write_text('<testsuites><testsuite tests="10" failures="0" errors="0" skipped="2"/></testsuites>')
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(run_all.subprocess, "run", run)
    assert run_all.main([]) == -11 and ended == deaths
    assert capsys.readouterr().out.splitlines()[-1] == "both passes: 8 passed, 0 failed, 2 skipped"


def test_a_test_that_hangs_ends_its_process_with_the_stacks(run_all, tmp_path):
    (tmp_path / "test_hang.py").write_text("import threading\n\ndef test_hang():\n    threading.Event().wait()\n")
    options = [word.replace("600", "2") for word in run_all.HANG_OPTIONS]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", *options, str(tmp_path)], cwd=tmp_path,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode and "Timeout" in ended.stderr and "test_hang.py" in ended.stderr
