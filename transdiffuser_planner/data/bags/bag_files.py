"""Finds the files of a bag and makes each readable.

Folders with and without metadata, single files, cut-off and compressed ones.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.recovery import is_cut_off, recover
from transdiffuser_planner.data.bags.sorting import in_order

METADATA = "metadata.yaml"
STORAGE_SUFFIXES = (".mcap", ".db3")
_COMPRESSED = ".zstd"


@dataclass(kw_only=True, slots=True)
class BagFiles:
    """What to open instead of a bag's path.

    Attributes:
        paths: A folder with metadata, or storage files.
        damage: What was repaired or is lost, or "".
        scratch: Holds repaired and unpacked copies; None when there are none.
    """

    paths: list[Path]
    damage: str = ""
    scratch: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    def close(self) -> None:
        """Remove copies."""
        if self.scratch is not None:
            self.scratch.cleanup()


def find_files(path: Path) -> BagFiles:
    """What to read for a bag given by its folder or by one of its files.

    Raises:
        RecordingError: Nothing there, no bag, an empty file, or a compression that is not supported.
    """
    if not path.exists():
        raise RecordingError(f"bag {path}: does not exist")
    files = [path] if path.is_file() else _storage_files(path)
    if not files:
        raise RecordingError(f"bag {path}: holds neither {METADATA} nor .mcap or .db3 files; it is no rosbag2 folder")
    for file in files:
        if file.stat().st_size == 0:
            raise RecordingError(f"bag {path}: {file.name} is empty (0 bytes); nothing was recorded into it")
    cut = [file for file in files if file.suffix == ".mcap" and is_cut_off(file)]
    has_metadata = path.is_dir() and (path / METADATA).is_file()
    if path.is_dir() and has_metadata and not cut:
        return BagFiles(paths=[path])
    return _repaired(path, files, cut, has_metadata=has_metadata)


def _storage_files(folder: Path) -> list[Path]:
    """Storage files of a folder in recording order: rosbag2 numbers them, and 10 comes after 9."""
    wanted = (*STORAGE_SUFFIXES, *(suffix + _COMPRESSED for suffix in STORAGE_SUFFIXES))
    files = [file for file in folder.iterdir() if file.name.endswith(wanted)]
    return sorted(files, key=lambda file: (len(file.name), file.name))


def _repaired(path: Path, files: list[Path], cut: list[Path], *, has_metadata: bool) -> BagFiles:
    """Each storage file on its own, cut-off ones closed and compressed ones unpacked into a scratch folder."""
    found = BagFiles(paths=[])
    notes = [] if has_metadata or path.is_file() else [f"{METADATA} is missing, its files are read one by one"]
    for file in files:
        readable = file
        if file in cut or file.suffix == _COMPRESSED:
            if found.scratch is None:
                found.scratch = tempfile.TemporaryDirectory(prefix="readable_bag_")
            readable = Path(found.scratch.name) / file.name.removesuffix(_COMPRESSED)
            if file in cut:
                lost = recover(file, readable)
                readable = in_order(readable)
                notes.append(f"{file.name} ends in the middle; the last {lost} bytes are lost, read up to there")
            else:
                _unpack(path, file, readable)
        found.paths.append(readable)
    found.damage = f"bag {path}: damaged, {'; '.join(notes)}" if notes else ""
    return found


def _unpack(path: Path, file: Path, out: Path) -> None:
    """Unpack a file that was compressed as a whole, without holding it in memory.

    Raises:
        RecordingError: It is damaged.
    """
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd  # comes with rosbags
    try:
        with zstd.open(file, "rb") as source, out.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except (zstd.ZstdError, EOFError, OSError) as error:
        raise RecordingError(f"bag {path}: {file.name} cannot be unpacked ({error}); it is damaged") from None
