"""Findings of the doctor: subject, result and remedy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

EXIT_FINE, EXIT_FAULTY = 0, 1


class Level(IntEnum):
    """Severity of a finding; numbers as in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Result of one check.

    Attributes:
        area: Group of checks, for example "installation".
        subject: Checked item, for example "rclpy" or "camera rgb_left".
        level: Severity.
        text: Result in one line.
        remedy: Remedy in one line; empty when fine.
    """

    area: str
    subject: str
    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """Creates findings of one area.

    Attributes:
        area: Group of checks.
    """

    area: str

    def ok(self, subject: str, text: str) -> Finding:
        """Create a finding without a fault.

        Args:
            subject: Checked item.
            text: Result.
        """
        return Finding(area=self.area, subject=subject, level=Level.OK, text=text)

    def warn(self, subject: str, text: str, remedy: str) -> Finding:
        """Create a warning: works with restrictions.

        Args:
            subject: Checked item.
            text: Result.
            remedy: Next step.
        """
        return Finding(area=self.area, subject=subject, level=Level.WARN, text=text, remedy=remedy)

    def error(self, subject: str, text: str, remedy: str) -> Finding:
        """Create an error: does not work.

        Args:
            subject: Checked item.
            text: Result.
            remedy: Next step.
        """
        return Finding(area=self.area, subject=subject, level=Level.ERROR, text=text, remedy=remedy)

    def fault(self, subject: str, text: str, remedy: str, *, fatal: bool) -> Finding:
        """Create an error for a required item, else a warning.

        Args:
            subject: Checked item.
            text: Result.
            remedy: Next step.
            fatal: The item is required.
        """
        return self.error(subject, text, remedy) if fatal else self.warn(subject, text, remedy)


def exit_status(findings: Iterable[Finding], *, strict: bool) -> int:
    """Return 0 without faults, 1 on an error, and with strict also on a warning.

    Args:
        findings: All findings.
        strict: Treat warnings as errors.
    """
    worst = max((finding.level for finding in findings), default=Level.OK)
    return EXIT_FAULTY if worst >= (Level.WARN if strict else Level.ERROR) else EXIT_FINE


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Format findings by area, each followed by its remedy.

    Args:
        findings: Findings, grouped by area.

    Yields:
        Human-readable lines.
    """
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
    """Count findings per level in one line.

    Args:
        findings: All findings.
    """
    levels = [finding.level for finding in findings]
    return f"{levels.count(Level.OK)} ok, {levels.count(Level.WARN)} warnings, {levels.count(Level.ERROR)} errors"


def as_json(findings: Iterable[Finding]) -> str:
    """Format findings as JSON.

    Args:
        findings: All findings.
    """
    rows: list[dict[str, Any]] = [
        {"area": f.area, "subject": f.subject, "level": f.level.name, "text": f.text, "remedy": f.remedy}
        for f in findings
    ]
    return json.dumps({"findings": rows}, indent=1) + "\n"
