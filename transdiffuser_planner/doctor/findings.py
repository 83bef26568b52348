"""The vocabulary of the doctor: what was looked at, what was found, what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

EXIT_FINE, EXIT_FAULTY = 0, 1


class Level(IntEnum):
    """How bad a finding is; numbers as in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: Group for people, for example "installation".
        subject: What was looked at, for example "rclpy" or "camera rgb_left".
        level: How bad.
        text: One line: what was found.
        remedy: One line: what to do; empty when fine.
    """

    area: str
    subject: str
    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """Makes findings of one area.

    Attributes:
        area: Group for people.
    """

    area: str

    def ok(self, subject: str, text: str) -> Finding:
        """Fine as it is."""
        return Finding(area=self.area, subject=subject, level=Level.OK, text=text)

    def warn(self, subject: str, text: str, remedy: str) -> Finding:
        """Works, but not as well as it could, or not under all circumstances."""
        return Finding(area=self.area, subject=subject, level=Level.WARN, text=text, remedy=remedy)

    def error(self, subject: str, text: str, remedy: str) -> Finding:
        """Does not work."""
        return Finding(area=self.area, subject=subject, level=Level.ERROR, text=text, remedy=remedy)

    def fault(self, subject: str, text: str, remedy: str, *, fatal: bool) -> Finding:
        """An error where the thing is needed, else a warning."""
        return self.error(subject, text, remedy) if fatal else self.warn(subject, text, remedy)


def exit_status(findings: Iterable[Finding], *, strict: bool) -> int:
    """0 when nothing is wrong, 1 on an error, and with strict on a warning."""
    worst = max((finding.level for finding in findings), default=Level.OK)
    return EXIT_FAULTY if worst >= (Level.WARN if strict else Level.ERROR) else EXIT_FINE


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Findings for people, by area, each with its remedy below."""
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            yield area
        word = "ok" if finding.level == Level.OK else finding.level.name
        yield f"  {word:<5}  {finding.subject}: {finding.text}"
        if finding.remedy:
            yield f"         -> {finding.remedy}"


def summary(findings: Iterable[Finding]) -> str:
    """How many of each."""
    levels = [finding.level for finding in findings]
    return f"{levels.count(Level.OK)} ok, {levels.count(Level.WARN)} warnings, {levels.count(Level.ERROR)} errors"


def as_json(findings: Iterable[Finding]) -> str:
    """Findings for programs."""
    rows: list[dict[str, Any]] = [
        {"area": f.area, "subject": f.subject, "level": f.level.name, "text": f.text, "remedy": f.remedy}
        for f in findings
    ]
    return json.dumps({"findings": rows}, indent=1) + "\n"
