"""Markers by folder, and the order of files when several processes share them."""

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MARKER_BY_FOLDER = {"ros": "ros", "demo": "ros", "browser": "browser"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by their folder; with pytest-xdist, files with slow tests go first, so that none of them is left for the end."""
    for item in items:
        if (marker := MARKER_BY_FOLDER.get(_folder(item))) is not None:
            item.add_marker(marker)
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        slow_files = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow_files)


def _folder(item: pytest.Item) -> str:
    """Name of the folder below test/ that a test is in."""
    return item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
