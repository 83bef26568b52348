"""Commands and options by their names of earlier versions: one line with the new name, exit status 2."""

import pytest

from transdiffuser_planner.cli.main import command_line, main
from transdiffuser_planner.cli.renamed import MERGED_COMMANDS, RENAMED_COMMANDS, RENAMED_OPTIONS


def error_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr of a command that ends with status 2."""
    assert main(words) == 2
    shown = capsys.readouterr()
    assert not shown.out and shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize(("old", "new"), RENAMED_COMMANDS.items())
def test_an_old_command_names_the_new_one(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of([*old.split(), "--out", "results.json", "--unknown"], capsys)
    assert error == f"transdiffuser evaluate: '{old}' was renamed; use 'transdiffuser {new}'\n"


@pytest.mark.parametrize("old", MERGED_COMMANDS)
def test_a_merged_command_names_the_one_it_is_part_of(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of([*old.split(), "--seeds", "8000:8020", "--out", "x.json"], capsys)
    assert "use 'transdiffuser evaluate suite val20 --planner tiny --out DIR'" in error


@pytest.mark.parametrize(("old", "new"), RENAMED_OPTIONS.items())
@pytest.mark.parametrize("form", ["{} value", "{}=value"])
def test_an_old_option_names_the_new_one(
    old: tuple[str, str], new: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, option = old
    words = [*command.split(), "--samples", "DIR", *form.format(option).split()]
    assert error_of(words, capsys) == f"transdiffuser {words[0]}: option {option} was renamed; use {new}\n"


@pytest.mark.parametrize(("old", "new"), RENAMED_OPTIONS.items())
def test_the_new_option_is_in_the_help_and_the_old_one_is_not(
    old: tuple[str, str], new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, option = old
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0 and new in text and option not in text


@pytest.mark.parametrize("new", RENAMED_COMMANDS.values())
def test_every_new_command_exists_and_no_old_one(new: str) -> None:
    parser, modules = command_line([new.split()[0]])
    assert list(modules) == [new.split()[0]]
    with pytest.raises(SystemExit) as end:
        parser.parse_args([*new.split(), "--help"])
    assert end.value.code == 0


def test_the_name_of_an_old_option_is_free_in_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["report", "BAG", "--plot", "x", "--pull", "1"])
    assert "unrecognized arguments" in capsys.readouterr().err
