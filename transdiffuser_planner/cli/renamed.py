"""Names of earlier versions of commands and options: each gives one line that names the new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from transdiffuser_planner.core.errors import ConfigError

RENAMED_COMMANDS: Final = {
    "evaluate choice": "evaluate selection",
    "evaluate table": "evaluate comparison",
    "evaluate tokens": "evaluate instructions",
    "evaluate plans": "score-candidates",
    "evaluate card": "model-card",
}
MERGED_COMMANDS: Final = {
    "evaluate closed-loop": (
        "part of the suite now; use 'transdiffuser evaluate suite val20 --planner tiny --out DIR', "
        "with --bags DIR for bags of the drives and DIR/summary.json for the model card"
    ),
}
RENAMED_OPTIONS: Final = {
    ("evaluate open-loop", "--withhold"): "--mask-inputs",
    ("evaluate instructions", "--pull"): "--guidance-weight",
    ("evaluate instructions", "--picture"): "--plot",
    ("train", "--start-from"): "--init-from",
    ("export", "--grown-from"): "--base-model",
}


def check_not_renamed(words: Sequence[str]) -> None:
    """Reject a command or an option by its name of an earlier version.

    Args:
        words: Arguments of the program, without its name and without those of ROS 2.

    Raises:
        ConfigError: One of them has a new name, which the message gives.
    """
    command = words[0] if words else ""
    if len(words) > 1 and not words[1].startswith("-"):
        kind = f"{command} {words[1]}"
        if kind in MERGED_COMMANDS:
            raise ConfigError(f"'{kind}' is {MERGED_COMMANDS[kind]}")
        if kind in RENAMED_COMMANDS:
            raise ConfigError(f"'{kind}' was renamed; use 'transdiffuser {RENAMED_COMMANDS[kind]}'")
        command = kind if command == "evaluate" else command
    for word in words[1:]:
        option = word.split("=", 1)[0]
        if (command, option) in RENAMED_OPTIONS:
            raise ConfigError(f"option {option} was renamed; use {RENAMED_OPTIONS[command, option]}")
