"""Reads a sqlite3 storage file row by row; rows that cannot be read are counted and passed over."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any
from urllib.parse import quote

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.losses import Damage
from transdiffuser_planner.data.bags.storage.scratch import Scratch
from transdiffuser_planner.data.bags.storage.storage_file import CDR, MAX_TIME_NS, Channel, StoredMessage
from transdiffuser_planner.data.bags.storage.write_ahead_log import LOG_SUFFIX, lost_log_bytes

_JOURNAL_SUFFIX = "-journal"
_Row = tuple[int, Any, Any, Any, str]
"""Number, topic id, log time and data as the table has them, and why they cannot be read, or ""."""

_MAX_GAP = 1 << 16
"""Rows after a damaged one are looked for among this many numbers."""


class SqliteFile:
    """One sqlite3 file; see ``StorageFile``."""

    def __init__(self, path: Path, name: str, scratch: Scratch) -> None:
        """Open it; the log that a killed recorder left is applied to a copy.

        Args:
            path: The file, which is not changed.
            name: For messages.
            scratch: Holds the copy.

        Raises:
            RecordingError: It is no bag, damaged at its begin, or the copy cannot be made.
        """
        self.name = name
        self.damages: list[Damage] = []
        logs = [suffix for suffix in (LOG_SUFFIX, _JOURNAL_SUFFIX) if _has_content(path, suffix)]
        try:
            self._base = _opened(scratch.copy(path, *logs) if logs else path, is_copy=bool(logs))
            if LOG_SUFFIX in logs:
                self._note_log(path.with_name(path.name + LOG_SUFFIX))
            self._channels = self._read_channels()
            self.counts = self._count()
            self._has_index = self._is_index_sound()
            self.start_ns, self.end_ns = self._time("min"), self._time("max")
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise RecordingError(f"{name} cannot be opened as a sqlite3 bag ({error})") from None
        self.channels = list(dict.fromkeys(self._channels.values()))

    def _note_log(self, log: Path) -> None:
        recovered = self._base.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        lost = lost_log_bytes(log, int(recovered[1]) if recovered else 0)
        if lost:
            reason = f"ends early: the last {lost} bytes of {log.name}, its write-ahead log, are damaged or incomplete"
            self.damages.append(Damage(file=self.name, reason=reason, may_hold_more=True, is_end=True))

    def _read_channels(self) -> dict[int, Channel]:
        """Topic id -> channel.

        Raises:
            ValueError: The tables of a bag are missing.
        """
        tables = {row[0] for row in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"topics", "messages"} <= tables:
            raise ValueError("it has no tables 'topics' and 'messages'")
        texts: dict[str, tuple[str, str]] = {}
        if "message_definitions" in tables:
            query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            texts = {str(kind): (str(form), str(text)) for kind, form, text in self._base.execute(query)}
        columns = {row[1] for row in self._base.execute("PRAGMA table_info(topics)")}
        type_hash = "type_description_hash" if "type_description_hash" in columns else "''"
        query = f"SELECT id, name, type, serialization_format, {type_hash} FROM topics"
        found = {}
        for number, topic, kind, encoding, digest in self._base.execute(query):
            form, text = texts.get(kind, ("", ""))
            found[number] = Channel(
                topic=str(topic),
                type_name=str(kind),
                encoding=str(encoding or CDR),
                definition_encoding=form,
                definition=text,
                type_hash=str(digest or ""),
            )
        return found

    def _is_index_sound(self) -> bool:
        """Whether the index by time can be read and has as many rows as the table."""
        try:
            indexed = self._base.execute("SELECT count(*) FROM messages INDEXED BY timestamp_idx").fetchone()[0]
        except sqlite3.Error:
            return False
        return bool(self.counts and indexed == self.counts.total())

    def _count(self) -> Counter[str]:
        """Numbers of messages by topic; what a damaged table does not show is missing in them."""
        counts: Counter[str] = Counter()
        try:
            for number, count in self._base.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"):
                counts[self._topic(number)] += count
        except sqlite3.Error:
            counts.clear()
        return counts

    def _topic(self, number: object) -> str:
        channel = self._channels.get(number) if isinstance(number, int) else None
        return f"topic number {number}" if channel is None else channel.topic

    def _time(self, function: str) -> int:
        """The "min" or "max" of the log times; 0 where it cannot be read."""
        try:
            found = self._base.execute(f"SELECT {function}(timestamp) FROM messages").fetchone()[0]
        except sqlite3.Error:
            return 0
        return found if isinstance(found, int) else 0

    def messages(self, topics: Set[str] | None) -> Iterator[StoredMessage]:
        """Yield messages in order of log time.

        Args:
            topics: Only these, or all.

        Yields:
            One message.
        """
        self.damages = [damage for damage in self.damages if damage.is_end]
        lost: Counter[str] = Counter()
        why = ""
        for number, topic_id, time_ns, data, error in self._rows(topics):
            channel = self._channels.get(topic_id) if isinstance(topic_id, int) else None
            if not error and channel is not None and topics is not None and channel.topic not in topics:
                continue
            is_sound = isinstance(time_ns, int) and 0 <= time_ns <= MAX_TIME_NS and isinstance(data, bytes)
            if error or channel is None or not is_sound:
                lost[self._topic_of_damaged(number) if error else self._topic(topic_id)] += 1
                why = why or error or "rows with impossible values"
                continue
            yield StoredMessage(time_ns, channel, data)
        if lost:
            self._note_rows(lost, why)

    def _rows(self, topics: Set[str] | None) -> Iterator[_Row]:
        """Yield the rows of some topics with their data and those of others without, in order of log time."""
        wanted = [n for n, channel in self._channels.items() if topics is None or channel.topic in topics]
        marks = ",".join(map(str, wanted))
        columns = f"id, topic_id, timestamp, CASE WHEN topic_id IN ({marks}) THEN data END"
        if self._has_index:
            yield from self._rows_by_index(columns)
            return
        places = sorted(self._rows_without_index().items(), key=lambda row: (row[1], row[0]))
        for number, _ in places:
            try:
                row = self._base.execute(f"SELECT {columns} FROM messages WHERE id = ?", (number,)).fetchone()
            except (sqlite3.Error, MemoryError) as error:
                row = (number, None, None, None, str(error))
            yield (number, None, None, None, "a row is missing") if row is None else (*row, "")[:5]

    def _rows_by_index(self, columns: str) -> Iterator[_Row]:
        """Yield rows by the index; after one that cannot be read, go on: the index names it, so it can be counted.

        Yields:
            One row.
        """
        place = (-(2**63), -(2**63))
        after = "FROM messages INDEXED BY timestamp_idx WHERE (timestamp, id) > (?, ?) ORDER BY timestamp, id"
        while True:
            try:
                for row in self._base.execute(f"SELECT {columns} {after}", place):
                    _require_order(isinstance(row[2], int) and (row[2], row[0]) > place)
                    place = (row[2], row[0])
                    yield (*row, "")
                return
            except (sqlite3.Error, MemoryError) as error:
                reason = str(error)
            try:
                following = self._base.execute(f"SELECT timestamp, id {after} LIMIT 1", place).fetchone()
            except sqlite3.Error as error:  # it was counted before, so this is a fault of the disk
                text = f"cannot be read any further ({error})"
                self.damages.append(Damage(file=self.name, reason=text, may_hold_more=True))
                return
            if following is None or not isinstance(following[0], int) or following <= place:
                return
            place = following
            yield following[1], None, None, None, reason

    def _note_rows(self, lost: Counter[str], why: str) -> None:
        number = lost.pop("", 0)
        text = f"has {number + lost.total()} rows that cannot be read ({why})"
        has_counts = bool(self.counts)
        self.damages.append(
            Damage(file=self.name, reason=text, counts=dict(lost), may_hold_more=bool(number) and not has_counts)
        )

    def _topic_of_damaged(self, number: int) -> str:
        """Topic of a row whose data cannot be read; "" where that is unreadable too."""
        try:
            row = self._base.execute("SELECT topic_id FROM messages WHERE id = ?", (number,)).fetchone()
        except sqlite3.Error:
            return ""
        return self._topic(row[0]) if row is not None else ""

    def _rows_without_index(self) -> dict[int, int]:
        """Number -> log time of all rows that table or index name."""
        found: dict[int, int] = {}
        try:
            for number, time_ns in self._base.execute("SELECT id, timestamp FROM messages INDEXED BY timestamp_idx"):
                found[number] = time_ns if isinstance(time_ns, int) else 0
        except sqlite3.Error:
            pass  # no index, or a damaged one
        first, is_damaged = -(2**63), False
        while True:
            try:
                query = "SELECT id, timestamp FROM messages NOT INDEXED WHERE id >= ? ORDER BY id"
                for number, time_ns in self._base.execute(query, (first,)):
                    _require_order(number >= first)
                    found[number] = time_ns if isinstance(time_ns, int) else 0
                    first = number + 1
                break
            except sqlite3.Error as error:
                is_damaged, reason = True, str(error)
                following = self._next_readable(max(first, 0))
                if following is None or following <= first:
                    break
                first = following
        if is_damaged:
            text = f"has a damaged table ({reason}); rows after the damage are read as far as they are found"
            self.damages.append(Damage(file=self.name, reason=text, may_hold_more=True))
        return found

    def _next_readable(self, first: int) -> int | None:
        """Find the next row number after damage that can be read."""
        step = 1
        while step <= _MAX_GAP:
            try:
                row = self._base.execute(
                    "SELECT id FROM messages NOT INDEXED WHERE id >= ? LIMIT 1", (first + step,)
                ).fetchone()
            except sqlite3.Error:
                step *= 2
                continue
            return None if row is None else int(row[0])
        return None

    def close(self) -> None:
        """Release the file."""
        self._base.close()


def _require_order(is_ordered: bool) -> None:
    """Pages of a damaged table or index may repeat without end.

    Raises:
        DatabaseError: They do.
    """
    if not is_ordered:
        raise sqlite3.DatabaseError("its rows are not in order")


def _has_content(path: Path, suffix: str) -> bool:
    logs = path.with_name(path.name + suffix)
    return logs.is_file() and logs.stat().st_size > 0


def _opened(path: Path, *, is_copy: bool) -> sqlite3.Connection:
    """Open a database; every name is good, and an original is not changed."""
    mode = "rw" if is_copy else "ro&immutable=1"
    base = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode={mode}", uri=True, check_same_thread=False)
    base.execute("PRAGMA temp_store = MEMORY")
    base.text_factory = lambda text: text.decode("utf-8", errors="replace")
    return base
