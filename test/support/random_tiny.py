"""The shipped architecture with random weights, exported once per test run."""

from pathlib import Path

import pytest
from made_once import made_once


def random_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its model folder, which tests must not change."""
    from transdiffuser_planner.training.export.random_model import export_random

    return made_once(tmp_path_factory, "random_tiny", lambda folder: export_random("tiny", folder))
