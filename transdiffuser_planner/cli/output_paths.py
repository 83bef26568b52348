"""Options that name results: files and folders that are checked before the work, so that it is not done in vain."""

from __future__ import annotations

import argparse
from pathlib import Path, PosixPath

from transdiffuser_planner.core.errors import OutputError
from transdiffuser_planner.core.files import why_not_writable


class OutputFile(PosixPath):
    """Type of an option for a file that the command writes."""


class OutputFolder(PosixPath):
    """Type of an option for a folder that the command writes into."""


def check_outputs(args: argparse.Namespace) -> None:
    """Check all results that the options name.

    Args:
        args: Parsed options.

    Raises:
        OutputError: One of them cannot be written.
    """
    for name, value in vars(args).items():
        if isinstance(value, (OutputFile, OutputFolder)):
            check_output(value, f"--{name.replace('_', '-')}", is_folder=isinstance(value, OutputFolder))


def check_output(path: Path, option: str, *, is_folder: bool = False) -> None:
    """Check a result whose path follows from more than one option.

    Args:
        path: File or folder to write.
        option: Its name, for the message.
        is_folder: The result is a folder.

    Raises:
        OutputError: It cannot be written.
    """
    reason = why_not_writable(path, is_folder=is_folder)
    if reason:
        kind = "folder" if is_folder else "file"
        raise OutputError(f"{option} {path}: cannot be written ({reason}); give a {kind} that can be written")
