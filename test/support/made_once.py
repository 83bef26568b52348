"""Makes what is expensive once per test run, also where several processes share the tests (pytest-xdist)."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first test which asks for it has made; tests must not change what is in it.

    Args:
        tmp_path_factory: Of the session.
        name: The same name is the same folder, in all processes.
        make: Called with the folder, which does not exist yet.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made_once"
    shared.mkdir(exist_ok=True)
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # freed at the end of its process, whatever ends it
        if not done.exists():
            make(folder)
            done.touch()
    return folder
