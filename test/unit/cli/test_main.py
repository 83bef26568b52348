"""The program: every command loads, quickly and without the packages that only its run needs."""

import subprocess
import sys

import pytest

from transdiffuser_planner.cli.main import COMMANDS, FOLDERS, command_line, main

HEAVY = ("torch", "pytorch_lightning", "rclpy", "libsumo", "ray", "rosbags")


@pytest.mark.slow
def test_the_options_of_all_commands_load_without_heavy_packages() -> None:
    code = (
        "import sys; from transdiffuser_planner.cli.main import COMMANDS, command_line; command_line(COMMANDS); "
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0 and not run.stdout.split(), (run.stdout, run.stderr)


@pytest.mark.slow
def test_every_command_has_a_function_that_runs_it() -> None:
    _, modules = command_line(COMMANDS)
    assert list(modules) == list(COMMANDS) and {name for names in FOLDERS.values() for name in names} < set(COMMANDS)
    assert all(callable(module.run) for module in modules.values())


@pytest.mark.parametrize(
    "words", [["score-candidates", "--bags", "b", "--samples", "s", "--out", "o"], ["model-card", "no-such-folder"]]
)
def test_missing_folders_are_one_line_under_the_name_of_the_command(
    words: list[str], tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"transdiffuser {words[0]}: ") and error.count("\n") == 1
