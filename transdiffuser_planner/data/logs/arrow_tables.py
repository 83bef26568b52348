"""Tables of Apache Arrow, as several data sets use them. pyarrow is only imported when such a table is read."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError, RecordingError

INSTALL = "pip install 'transdiffuser_planner[logs]'"


def required(module: str, purpose: str) -> Any:
    """Import a package that only logs of data sets need.

    Args:
        module: Name of the module.
        purpose: What it is needed for, for the message.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigError(f"{purpose} needs {module.split('.')[0]}; install it with: {INSTALL}") from None


def read_feather(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read columns of a feather file.

    Args:
        path: The file.
        names: Columns to read; numbers without gaps, or text.

    Raises:
        ConfigError: pyarrow is not installed.
        RecordingError: The file cannot be read, or a column is absent or has gaps.
    """
    feather = required("pyarrow.feather", "reading feather tables")
    if not path.is_file():
        raise RecordingError(f"{path} is absent")
    try:
        table = feather.read_table(path, columns=list(names), memory_map=True)
        table.validate(full=True)  # offsets of damaged files would be followed out of memory
    except Exception as error:  # pyarrow's errors are of many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecordingError(f"{path}: cannot be read ({reason}); fetch this file of the log again") from None
    found = {}
    for name in names:
        column = table[name]
        if column.null_count:
            raise RecordingError(f"{path}: column {name} has {column.null_count} empty cells; fetch the file again")
        found[name] = np.asarray(column.to_numpy())
    return found
