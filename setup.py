"""Package data outside pyproject.toml: files that ROS tools look for below share/."""

from pathlib import Path

from setuptools import setup

NAME = "transdiffuser_planner"
ROOT = Path(__file__).resolve().parent


def shared(folder: str, pattern: str) -> list[tuple[str, list[str]]]:
    """(installation folder, files) of a top-level folder, its subfolders included."""
    files = [path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob(pattern)) if path.is_file()]
    folders = sorted({path.parent for path in files})
    return [(f"share/{NAME}/{where}", [str(path) for path in files if path.parent == where]) for where in folders]


setup(
    python_requires=">=3.10,<3.14",
    license="Apache-2.0",
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("launch", "*.launch.py"),
        *shared("launch", "*.yaml"),
        *(entry for kind in ("rviz", "foxglove.json", "plotjuggler.xml") for entry in shared("launch", f"*.{kind}")),
        *shared("models", "*.*"),
        *shared("ros2_ws/src", "*.msg"),  # definitions for replays on machines without ROS
    ],
)
