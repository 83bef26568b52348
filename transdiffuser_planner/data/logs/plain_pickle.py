"""Reads pickles of others without executing anything that they hold.

A pickle names functions that are called while it is read. Only those are called here that build arrays of numpy and plain
containers; any other name ends the reading.
"""

from __future__ import annotations

import builtins
import io
import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.errors import RecordingError

_CONTAINERS: Final = (
    "set",
    "frozenset",
    "list",
    "dict",
    "tuple",
    "bytearray",
    "int",
    "float",
    "bool",
    "str",
    "complex",
)
_ARRAY_MODULES: Final = (
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
)
_NAMED_BY_NUMPY: Final[tuple[Any, ...]] = (
    np.zeros(0).__reduce__()[0],
    np.zeros(0).__reduce_ex__(5)[0],
    np.float64(0.0).__reduce__()[0],
)
_ARRAY_FUNCTIONS: Final = {part.__name__: part for part in _NAMED_BY_NUMPY}
"""The functions that numpy itself names when it pickles an array or a number: _reconstruct, _frombuffer and scalar."""
_MAX_BYTES: Final = 500_000_000


class _PlainDict(dict[Any, Any]):
    """Stands for a defaultdict; the factory that a file gives for missing keys is discarded."""

    def __init__(self, _factory: object = None) -> None:
        super().__init__()


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the names of plain data only."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a file names.

        Args:
            module: Module.
            name: Name in it.

        Raises:
            UnpicklingError: It is not on the list.
        """
        if module == "builtins" and name in _CONTAINERS:
            return getattr(builtins, name)
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if module in _ARRAY_MODULES and name in _ARRAY_FUNCTIONS:
            return _ARRAY_FUNCTIONS[name]
        if (module, name) in (("collections", "defaultdict"), ("collections", "OrderedDict")):
            return _PlainDict
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no plain data")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside of the file.

        Args:
            pid: The reference.

        Raises:
            UnpicklingError: Always.
        """
        raise pickle.UnpicklingError("it refers to objects outside of the file")


def load_plain_pickle(path: Path) -> Any:
    """Read a pickle of arrays, numbers, texts and containers.

    Args:
        path: The file.

    Raises:
        RecordingError: It cannot be read, is no pickle, or holds anything else.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecordingError(f"{path}: larger than {_MAX_BYTES / 1e6:.0f} MB, which no log of a drive is")
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # damaged pickles fail in many ways, MemoryError among them
        reason = (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
        raise RecordingError(
            f"{path}: is not read ({reason}); only pickles of plain data and numpy arrays are"
        ) from None
