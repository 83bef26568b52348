"""Reference tables of the documentation site, generated from code, message definitions and checks at build time.

`docs/hooks.py` puts the result of ``generate`` at the marker ``<!-- generated: NAME -->``; as a program it prints the result.
Import paths stand in ``PLACES``, ``API`` and ``FORMATS``, nowhere else.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "transdiffuser_planner"
MESSAGES = ROOT / "ros2_ws" / "src" / "transdiffuser_msgs" / "msg"
PLACES = {
    "main": f"{PACKAGE}.cli.main",
    "config": f"{PACKAGE}.core.planner_config",
    "contract": f"{PACKAGE}.core.contract",
    "samples": f"{PACKAGE}.data.samples.sample_set",
}
API = (
    f"{PACKAGE}.core.types",
    f"{PACKAGE}.core.planner_config",
    f"{PACKAGE}.core.rig",
    f"{PACKAGE}.core.vehicle",
    f"{PACKAGE}.core.errors",
    f"{PACKAGE}.messages.topic_map",
    f"{PACKAGE}.data.bags.bag_reader",
    f"{PACKAGE}.runtime.planner",
    f"{PACKAGE}.planning.action_codebook",
    f"{PACKAGE}.metrics.pdm.pdms",
    f"{PACKAGE}.metrics.pdm.epdms",
    f"{PACKAGE}.metrics.displacement",
    f"{PACKAGE}.replay.pytest_plugin",
)
FORMATS = {
    "rig": (f"{PACKAGE}.core.rig:Rig", f"{PACKAGE}.core.rig:CameraMount", f"{PACKAGE}.core.rig:LidarMount",
            f"{PACKAGE}.core.vehicle:VehicleModel"),
    "topics": (f"{PACKAGE}.messages.topic_map:TopicMap",),
    "manifest": (f"{PACKAGE}.runtime.inference.manifest:ModelManifest", f"{PACKAGE}.core.contract:ModelContract"),
    "recipe": (f"{PACKAGE}.training.recipe:TrainingConfig", f"{PACKAGE}.training.recipe:StageConfig",
               f"{PACKAGE}.training.recipe:AugmentationConfig", f"{PACKAGE}.training.recipe:LossWeights"),
    "scenes": (f"{PACKAGE}.metrics.pdm.scene:Scene", f"{PACKAGE}.metrics.pdm.scene:EgoState",
               f"{PACKAGE}.metrics.pdm.scene:Agents"),
}  # fmt: skip
_WIDTH = "100"


def generate(name: str) -> str:
    """The Markdown of one marker.

    Args:
        name: "parameters", "messages", "commands", "samples", "api", "findings", or "format NAME" of ``FORMATS``.

    Raises:
        KeyError: There is no such marker.
    """
    kind, _, what = name.partition(" ")
    makers: dict[str, Callable[[], str]] = {
        "parameters": lambda: str(_load("config").parameter_table()),
        "messages": messages,
        "commands": commands,
        "samples": samples,
        "api": api,
        "findings": findings,
    }
    return file_format(what) if kind == "format" else makers[name]()


def _load(place: str) -> Any:
    return importlib.import_module(PLACES[place])


def _cell(text: str) -> str:
    """Text for one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def normalized(definition: str) -> str:
    """A message definition without comments, blank lines and spaces that mean nothing."""
    lines = (" ".join(line.split("#")[0].split()) for line in definition.splitlines())
    return "\n".join(re.sub(r"\s*=\s*", "=", line) for line in lines if line)


def message_hash(path: Path) -> str:
    """The first twelve hexadecimal digits of the SHA-256 of a normalized definition."""
    return hashlib.sha256(normalized(path.read_text(encoding="utf-8")).encode()).hexdigest()[:12]


def messages() -> str:
    """Every message with its constants and fields."""
    return "\n\n".join(_message(path) for path in sorted(MESSAGES.glob("*.msg")))


def _message(path: Path) -> str:
    head, constants, rows, comment = [], [], [], []  # type: ignore[var-annotated]
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif not line.strip():
            head += [] if rows or constants else comment
            comment = []
        elif "=" in line:
            constants.append(f"`{line.split()[1]}`")
            comment = comment if not constants else []
        else:
            kind, name = line.split()[:2]
            rows.append(f"| `{name}` | `{kind}` | {_cell(' '.join(comment))} |")
            comment = []
    parts = [f"## {path.stem}", " ".join(head)]
    parts += [f"Constants: {', '.join(constants)}."] if constants else []
    table = ["| field | type | meaning |", "| --- | --- | --- |", *rows]
    return "\n\n".join([*parts, "\n".join(table), f"Definition `{message_hash(path)}`."])


def commands() -> str:
    """The help text of every command and sub-command."""
    os.environ["COLUMNS"] = _WIDTH  # argparse breaks lines by it
    main = _load("main")
    parser, _ = main.command_line(main.COMMANDS)
    return "\n\n".join(_helps(parser, 2))


def _helps(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    yield f"{'#' * min(level, 4)} {parser.prog}\n\n```text\n{parser.format_help().rstrip()}\n```"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _helps(sub, level + 1)


def samples() -> str:
    """The arrays of a sample folder of the tiny contract."""
    specs = _load("samples").sample_specs(_load("contract").TINY)
    rows = [f"| `{name}` | {tuple(spec.shape)} | {_dtype(spec.dtype)} |" for name, spec in specs.items()]
    return "\n".join(["| array | shape without the sample axis | type |", "| --- | --- | --- |", *rows])


def _dtype(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def api() -> str:
    """Directives of mkdocstrings, one a module."""
    return "\n\n".join(f"## {module.removeprefix(PACKAGE + '.')}\n\n::: {module}" for module in API)


def file_format(name: str) -> str:
    """Tables of the dataclasses that a file is read into."""
    return "\n\n".join(_dataclass(*place.split(":")) for place in FORMATS[name])


def _dataclass(module: str, name: str) -> str:
    kind = getattr(importlib.import_module(module), name)
    texts = _attributes(kind)
    rows = []
    for item in fields(kind):
        text = texts.get(item.name, "")
        about = dict(item.metadata)
        if about.get("text"):
            text = f"{about['text']} {_bounds(about)}".strip()
        rows.append(f"| `{item.name}` | `{_type(item.type)}` | {_default(item)} | {_cell(text)} |")
    head = (inspect.getdoc(kind) or "").split("\n\n")[0]
    table = "\n".join(["| key | type | default | meaning |", "| --- | --- | --- | --- |", *rows])
    return f"**{name}.** {' '.join(head.split())}\n\n{table}"


def _type(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)).replace("|", "or").replace("NDArray[np.float64]", "array")


def _bounds(about: dict[str, Any]) -> str:
    unit = f" {about['unit']}" if about.get("unit") else ""
    return f"[{about['minimum']:g} .. {about['maximum']:g}{unit}]" if "minimum" in about else unit.strip()


def _default(item: Any) -> str:
    value = item.default
    if value is MISSING:
        return "required" if item.default_factory is MISSING else "see below"
    if isinstance(value, Enum):
        return str(value.value)
    return "" if value == "" else f"{str(value).lower() if isinstance(value, bool) else value}"[:40]


def _attributes(kind: type) -> dict[str, str]:
    """Field -> text of the section Attributes in the docstrings of a class and its bases; a line may name several fields."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = (inspect.getdoc(base) or "").partition("Attributes:\n")[2].split("\n\n")[0]
        current: list[str] = []
        for line in section.splitlines():
            entry = re.match(r"    (\w[\w, ]*): (.*)", line)
            if entry:
                current = [name.strip() for name in entry[1].split(",")]
                found |= dict.fromkeys(current, entry[2])
            elif current:
                found |= {name: f"{found[name]} {line.strip()}" for name in current}
    return found


def findings() -> str:
    """Every warning and error that the doctor can give, with its remedy, by area."""
    rows: dict[str, list[str]] = {}
    for area, level, subject, text, remedy in all_findings():
        rows.setdefault(area, []).append(f"| {level} | {_cell(subject)} | {_cell(text)} | {_cell(remedy)} |")
    head = "| level | looked at | found | what to do |\n| --- | --- | --- | --- |\n"
    return "\n\n".join(f"### {area[0].upper() + area[1:]}\n\n{head}" + "\n".join(lines) for area, lines in rows.items())


def all_findings() -> list[tuple[str, str, str, str, str]]:
    """(area, level, subject, text, remedy) of every call that makes a finding that is not "ok", read from the source."""
    files = [path for path in sorted((ROOT / PACKAGE).rglob("*.py")) if "Findings(" in path.read_text(encoding="utf-8")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    near = sorted({path for file in files for path in file.parent.glob("*.py")})  # where names of areas are defined
    shared = {
        target.id: node.value.value
        for tree in (ast.parse(path.read_text(encoding="utf-8")) for path in near)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return sorted({row for tree in trees for row in _findings_of(tree, shared)})


def _findings_of(tree: ast.Module, shared: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    areas = _areas(tree, shared)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        known: dict[str, ast.expr] = {name: ast.Constant(value) for name, value in shared.items()}
        nodes = [node for node in ast.walk(function) if isinstance(node, (ast.Assign, ast.Call))]
        for node in sorted(nodes, key=lambda node: (node.lineno, isinstance(node, ast.Call))):
            if isinstance(node, ast.Assign):
                known |= dict(_assigned(node))
            elif isinstance(node.func, ast.Attribute) and node.func.attr in ("warn", "error", "fault"):
                maker = node.func.value
                area = areas.get(maker.id) if isinstance(maker, ast.Name) else None
                if area is not None and len(node.args) == 3:
                    level = {"warn": "warning", "error": "error", "fault": "error where needed, else warning"}[
                        node.func.attr
                    ]
                    yield (area, level, *(_rendered(part, known) for part in node.args))  # type: ignore[misc]


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for name, value in zip(target.elts, node.value.elts, strict=True):
                if isinstance(name, ast.Name):
                    yield name.id, value


def _areas(tree: ast.Module, shared: dict[str, Any]) -> dict[str, str]:
    """Name of a maker of findings -> its area."""
    areas = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for name, value in _assigned(node):
                if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Findings":
                    argument = value.args[0]
                    areas[name] = argument.value if isinstance(argument, ast.Constant) else shared[argument.id]  # type: ignore[attr-defined]
    for node in ast.walk(tree):  # makers that are passed on as an argument
        if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name) and node.annotation.id == "Findings":
            areas.setdefault(node.arg, next(iter(areas.values())))
    return areas


def _rendered(node: ast.expr, known: dict[str, ast.expr], depth: int = 0) -> str:
    """A text expression as a reader sees it; what differs from case to case is "…" or the name of the value."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_rendered(part, known, depth) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _rendered(node.value, known, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _rendered(node.left, known, depth) + _rendered(node.right, known, depth)
    if isinstance(node, ast.IfExp):
        both = _rendered(node.body, known, depth + 1), _rendered(node.orelse, known, depth + 1)
        return " / ".join(part for part in both if part.strip())
    if isinstance(node, ast.Name) and node.id in known and depth < 4:
        return _rendered(known[node.id], {k: v for k, v in known.items() if k != node.id}, depth + 1)
    if isinstance(node, ast.Attribute):
        return f"<{node.attr}>"
    return f"<{node.id}>" if isinstance(node, ast.Name) else "…"


if __name__ == "__main__":
    import sys

    print(generate(" ".join(sys.argv[1:])))
