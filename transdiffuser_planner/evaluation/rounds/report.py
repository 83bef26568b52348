"""Rounds as Markdown: what failed, what was corrected, what each round fixed and broke."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.evaluation.closed_loop.compare import is_clear
from transdiffuser_planner.evaluation.closed_loop.summary import COLUMNS
from transdiffuser_planner.evaluation.closed_loop.tables import heading, interval_text
from transdiffuser_planner.evaluation.rounds.failures import FailureKind

SHOWN = ("scene_score", "driving_score", "progress", "at_fault_collisions", "off_road_s", "red_lights", "comfort")


def rounds_markdown(rounds: list[dict[str, Any]]) -> str:
    """Write all rounds as Markdown.

    Args:
        rounds: Result of ``run_rounds``.
    """
    parts = ["# Rounds of fine-tuning on own failures"]
    for item in rounds:
        parts += [f"## Round {item['round']}: {verdict(item)}", _found(item)]
        if "successes" in item:
            parts += [_checked(item), _drives("Better", item["fixed"]), _drives("Worse", item["broken"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict(item: dict[str, Any]) -> str:
    """Return in one line whether a round is kept, and why.

    Args:
        item: One round.
    """
    if "successes" not in item:
        return f"not trained, {item['reason']}"
    change = interval_text(item["changes"]["scene_score"], COLUMNS["scene_score"])
    if item["kept"]:
        return f"kept, scene score {change}"
    return f"not shipped, it does not drive better: scene score {change}; the model before it stays"


def _found(item: dict[str, Any]) -> str:
    lines = ["| failure | found | corrected times |", "| --- | --- | --- |"]
    for kind in FailureKind:
        lines.append(
            f"| {kind.value} | {item['failures'].get(kind.value, 0)} | {item['corrected'].get(kind.value, 0)} |"
        )
    text = (
        f"{item['drives']} drives, {item['searched']} times searched, {item['corrections']} corrected, "
        f"{item['own_plans']} of them by a candidate of the model itself."
    )
    if item["not_driven"]:
        text += f" Not driven: {'; '.join(item['not_driven'])}."
    return "\n".join([text, "", *lines])


def _checked(item: dict[str, Any]) -> str:
    found = item["successes"]
    lines = [
        f"Checked on {item['scenarios']} other scenarios, against {item['start']}: successful {found['first']} before, "
        f"{found['second']} after; only before {found['only_first']}, only after {found['only_second']} "
        f"(McNemar's exact test: p = {found['p_value']:.3g}).",
        "",
        "| measure | change |",
        "| --- | --- |",
    ]
    for name in SHOWN:
        text = interval_text(item["changes"][name], COLUMNS[name])
        lines.append(f"| {heading(COLUMNS[name])} | {f'**{text}**' if is_clear(item['changes'][name]) else text} |")
    return "\n".join(lines)


def _drives(title: str, drives: list[dict[str, Any]]) -> str:
    if not drives:
        return ""
    listed = ", ".join(f"{d['map']} {d['seed']} ({d['first']:.0f} -> {d['second']:.0f})" for d in drives)
    return f"{title} (driving score): {listed}."
