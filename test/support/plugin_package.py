"""An installed package that registers entry points, as importlib.metadata reads it: a folder to put on sys.path."""

from pathlib import Path


def write_package(folder: Path, group: str, points: dict[str, str], module: str = "") -> Path:
    """Write the metadata of a package, and a module ``extra_planners`` if one is given.

    Args:
        folder: To be put on sys.path.
        group: Entry-point group.
        points: Name -> value ("module:object").
        module: Source of ``extra_planners.py``.
    """
    info = folder / "extra_planners-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-planners\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if module:
        (folder / "extra_planners.py").write_text(module, encoding="utf-8")
    return folder
