"""Finds the storage files of a bag and opens each by its content; one that cannot be read is named, and the others are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.bag_metadata import METADATA, BagMetadata, read_metadata
from transdiffuser_planner.data.bags.losses import Damage
from transdiffuser_planner.data.bags.storage import mcap_records
from transdiffuser_planner.data.bags.storage.compression import ZSTD_MAGIC
from transdiffuser_planner.data.bags.storage.mcap_file import McapFile
from transdiffuser_planner.data.bags.storage.ros1_file import Ros1File
from transdiffuser_planner.data.bags.storage.scratch import Scratch
from transdiffuser_planner.data.bags.storage.sqlite_file import SqliteFile
from transdiffuser_planner.data.bags.storage.storage_file import StorageFile

COMPRESSED: Final = ".zstd"
_SUFFIXES = (".mcap", ".db3", ".bag")
STORAGE_SUFFIXES: Final = (*_SUFFIXES, *(suffix + COMPRESSED for suffix in _SUFFIXES[:2]))
_MAGICS = {mcap_records.MAGIC: ".mcap", b"SQLite format 3\0": ".db3", b"#ROSBAG V2.0\n": ".bag"}


@dataclass(kw_only=True, slots=True)
class BagFiles:
    """A bag's open storage files.

    Attributes:
        path: The bag.
        metadata: Entries of its metadata.yaml.
        files: Open storage files.
        missing: Files that cannot be read, or that metadata.yaml names and that do not exist.
        scratch: Copies; remove them after closing the files.
    """

    path: Path
    scratch: Scratch
    metadata: BagMetadata = field(default_factory=BagMetadata)
    files: list[StorageFile] = field(default_factory=list)
    missing: list[Damage] = field(default_factory=list)

    def close(self) -> None:
        """Release everything."""
        for file in self.files:
            file.close()
        self.scratch.close()


def is_bag_folder(folder: Path) -> bool:
    """Whether a folder is a bag: it has metadata or storage files."""
    return (folder / METADATA).is_file() or any(file.name.endswith(STORAGE_SUFFIXES) for file in folder.iterdir())


def open_bag(path: Path) -> BagFiles:
    """Open a bag given by its folder or by one of its files.

    Raises:
        RecordingError: Nothing there, no bag, nothing in it can be read, or the temporary folder is full.
    """
    if not path.exists():
        raise RecordingError(f"bag {path}: does not exist")
    bag = BagFiles(path=path, scratch=Scratch(path))
    try:
        if path.is_file():
            files = [path]
        else:
            bag.metadata = read_metadata(path)
            files = _chosen(path, bag)
        if not files:
            named = "; ".join(damage.line() for damage in bag.missing)
            raise RecordingError(
                f"bag {path}: {named or f'holds neither {METADATA} nor .mcap or .db3 files; it is no rosbag2 folder'}"
            )
        _open_all(files, bag)
    except BaseException:
        bag.close()
        raise
    return bag


def _chosen(folder: Path, bag: BagFiles) -> list[Path]:
    """Files to read: those of metadata.yaml, and others where it names files that are missing or continues without them.

    Raises:
        RecordingError: The folder cannot be listed.
    """
    try:
        present = {
            file.name: file for file in folder.iterdir() if file.name.endswith(STORAGE_SUFFIXES) and file.is_file()
        }
    except OSError as error:
        raise RecordingError(f"bag {folder}: cannot be listed ({error.strerror})") from None
    listed = [name for name in bag.metadata.files if (folder / name).is_file()]
    gone = [name for name in bag.metadata.files if name not in listed]
    for name in gone:
        twin = _twin(name, present)
        if twin and twin not in listed:
            listed.append(twin)
            bag.metadata.notes.append(f"{METADATA} names {name}; {twin} is read instead")
        else:
            bag.missing.append(Damage(file=name, reason="is missing", may_hold_more=not bag.metadata.counts))
    if not bag.metadata.files:
        bag.missing += [
            Damage(file=name, reason="is missing: the other files are numbered", may_hold_more=True, is_end=True)
            for name in _gaps(present)
        ]
    others = [name for name in _ordered(present) if name not in listed and _twin(name, listed) not in listed]
    further = [name for name in others if not listed or gone or _continues(name, listed)]
    if listed and further:
        bag.metadata.notes.append(f"{METADATA} does not name {', '.join(further)}, read as well")
    left_out = [name for name in others if name not in further]
    if left_out:
        bag.metadata.notes.append(
            f"{METADATA} does not name {', '.join(left_out)}; left out (give the file itself to read it)"
        )
    return [folder / name for name in (*listed, *further)]


def _ordered(names: Iterable[str]) -> list[str]:
    """Names in recording order: rosbag2 numbers them, and 10 comes after 9."""
    return sorted(names, key=lambda name: (len(name), name))


def _twin(name: str, names: Iterable[str]) -> str:
    """Name of the same file packed or unpacked, or ""."""
    other = name.removesuffix(COMPRESSED) if name.endswith(COMPRESSED) else name + COMPRESSED
    return other if other in names else ""


def _continues(name: str, listed: list[str]) -> bool:
    """Whether a file continues the numbers of others, as the newest one of a recorder that was killed."""
    return _series(name) is not None and _series(name) in {_series(other) for other in listed}


def _series(name: str) -> str | None:
    match = re.fullmatch(r"(.+_)\d+\.[a-z0-9.]+", name)
    return None if match is None else match[1]


def _gaps(names: Iterable[str]) -> list[str]:
    """Names that are missing in numbered files, before the last of each series."""
    numbers: dict[tuple[str, str], set[int]] = {}
    for name in names:
        match = re.fullmatch(r"(.+_)(\d{1,4})(\.[a-z0-9.]+)", name)
        if match is not None:
            numbers.setdefault((match[1], match[3]), set()).add(int(match[2]))
    return [
        f"{begin}{i}{end}"
        for (begin, end), found in numbers.items()
        for i in range(max(found))
        if i not in found and len(found) > 1
    ]


def _open_all(files: list[Path], bag: BagFiles) -> None:
    """Open all files.

    Raises:
        RecordingError: None of them can be read, or the temporary folder is full.
    """
    reasons = []
    for file in files:
        try:
            if file.stat().st_size == 0:
                raise RecordingError(f"{file.name} is empty (0 bytes); nothing was recorded into it")
            bag.files.append(_opened(file, bag.scratch))
        except OSError as error:
            reasons.append(f"{file.name} cannot be read ({error.strerror})")
        except RecordingError as error:
            if str(error).startswith("bag "):  # the temporary folder, or a compressed file
                raise
            reasons.append(str(error))
            num_lost = bag.metadata.num_by_file.get(file.name)
            bag.missing.append(
                Damage(
                    file="",
                    reason=f"{error}" + (f"; it held {num_lost} messages" if num_lost else ""),
                    may_hold_more=not bag.metadata.counts,
                )
            )
    if not bag.files:
        raise RecordingError(f"bag {bag.path}: {'; '.join(reasons)}")


def _opened(file: Path, scratch: Scratch) -> StorageFile:
    """Open a storage file by its content, or by its name where its begin is damaged.

    Raises:
        RecordingError: It is of another format or cannot be read.
    """
    name = file.name
    with file.open("rb") as opened:
        begin = opened.read(16)
    if begin.startswith(ZSTD_MAGIC) or name.endswith(COMPRESSED):
        file = scratch.unpack(file, name.removesuffix(COMPRESSED))
        with file.open("rb") as opened:
            begin = opened.read(16)
    kind = next((suffix for magic, suffix in _MAGICS.items() if begin.startswith(magic)), file.suffix)
    if kind == ".mcap":
        return McapFile(file, name)
    if kind == ".db3":
        return SqliteFile(file, name, scratch)
    if kind == ".bag":
        return Ros1File(file, name)
    raise RecordingError(
        f"{name} is of an unknown storage format '{file.suffix}'; give a rosbag2 folder, a .mcap, .db3 or ROS 1 .bag file"
    )
