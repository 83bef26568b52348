"""Options that name results: all of them are refused before the work where nothing can be written."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from transdiffuser_planner.cli.main import COMMANDS, command_line, main
from transdiffuser_planner.cli.output_paths import OutputFile, OutputFolder

WRITES = (
    "write",
    "folder of the run",
    "folder for",
    "folder of results",
    "page to write",
    "record drives",
    "draw the",
    "plot some",
)
"""Words in the help of options that name results."""
NO_RESULT = {"--update", "--validation", "--baselines"}
"""Options with such words that name no result: of the last two, one writes into the model folder, one reads."""


def parsers(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """The words of every command without further subcommands, and its parser."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield words, parser
    for action in below:
        for name, sub in action.choices.items():
            yield from parsers(sub, (*words, name))


def options() -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser, argparse.Action]]:
    """Every option of every command that takes a value."""
    for words, parser in parsers(command_line(COMMANDS)[0]):
        for action in parser._actions:
            if action.option_strings and action.nargs != 0:
                yield words, parser, action


def outputs() -> list[tuple[tuple[str, ...], argparse.ArgumentParser, argparse.Action]]:
    return [item for item in options() if item[2].type in (OutputFile, OutputFolder)]


def required(parser: argparse.ArgumentParser, but: argparse.Action) -> list[str]:
    """Made-up values of all that a command requires."""
    words: list[str] = []
    for action in parser._actions:
        if action is not but and action.required and action.option_strings:
            words += [action.option_strings[0], "no-such-input"]
        elif action.required and not action.option_strings:
            words += [next(iter(action.choices))] if action.choices else ["no-such-input"]
    for group in parser._mutually_exclusive_groups:
        if group.required:
            words += [group._group_actions[0].option_strings[0], "no-such-input"]
    return words


def test_every_option_that_writes_is_declared_as_a_result() -> None:
    undeclared = [
        f"{' '.join(words)} {action.option_strings[0]}"
        for words, _, action in options()
        if action.type not in (OutputFile, OutputFolder)
        and action.option_strings[0] not in NO_RESULT
        and any(word in (action.help or "") for word in WRITES)
    ]
    assert not undeclared
    assert len(outputs()) >= 25


@pytest.mark.parametrize(
    ("words", "parser", "action"),
    outputs(),
    ids=lambda part: part.option_strings[0] if hasattr(part, "option_strings") else None,
)
def test_a_result_that_cannot_be_written_is_refused_before_the_work(
    words: tuple[str, ...],
    parser: argparse.ArgumentParser,
    action: argparse.Action,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    option, path = action.option_strings[0], "file/below.json"
    assert main([*words, *required(parser, action), option, path]) == 2
    error = capsys.readouterr().err
    expected = f"transdiffuser {words[0]}: {option} {path}: cannot be written (Not a directory"
    assert error.startswith(expected) and error.count("\n") == 1, error
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("option", ["--golden", "--baseline"])
def test_expectations_are_results_when_they_are_updated(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["replay", "no-such-bag", "--update", option, "file/below.yaml"]) == 2
    assert capsys.readouterr().err.startswith(f"transdiffuser replay: {option} file/below.yaml: cannot be written (")
