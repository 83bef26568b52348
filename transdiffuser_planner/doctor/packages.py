"""Checks Python and the packages of this environment."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Iterator, Mapping

from transdiffuser_planner.doctor.findings import Finding, Findings

_FINDINGS = Findings("installation")
PYTHON_RANGE = ((3, 10), (3, 14))
NEEDED = {"numpy": "1.24", "scipy": "1.10", "pyyaml": "6", "pillow": "9"}
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
OLDEST_RUNTIME = "1.17"
OPTIONAL = {
    "rosbags": ("reading and writing bags", "pip install 'transdiffuser_planner[bags]'"),
    "torch": ("training", "pip install 'transdiffuser_planner[training]'"),
    "eclipse-sumo": ("the simulator", "pip install 'transdiffuser_planner[simulation]'"),
}


def check(
    versions: Mapping[str, str] | None = None, python: tuple[int, int] = sys.version_info[:2]
) -> Iterator[Finding]:
    """Compare installed with required versions.

    Args:
        versions: Package -> version; of this environment by default.
        python: Version of the interpreter.

    Yields:
        Findings.
    """
    found = installed() if versions is None else versions
    yield _python(python)
    yield from (_package(name, oldest, found.get(name, "")) for name, oldest in NEEDED.items())
    yield _runtime(found)
    for name, (purpose, remedy) in OPTIONAL.items():
        text = (
            f"{found[name]}, for {purpose}" if name in found else f"not installed; only needed for {purpose}: {remedy}"
        )
        yield _FINDINGS.ok(name, text)
    yield _compiler(shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"))


def installed() -> dict[str, str]:
    """Return package -> version of all checked packages that are installed."""
    found = {}
    for name in (*NEEDED, *RUNTIMES, *OPTIONAL):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _python(version: tuple[int, int]) -> Finding:
    text = ".".join(map(str, version))
    if PYTHON_RANGE[0] <= version < PYTHON_RANGE[1]:
        return _FINDINGS.ok("python", text)
    return _FINDINGS.error(
        "python", f"{text}, required is 3.10 to 3.13", "make clean, then make build PYTHON=python3.12"
    )


def _package(name: str, oldest: str, version: str) -> Finding:
    if not version:
        return _FINDINGS.error(name, "not installed", f"pip install '{name}>={oldest}'")
    if _numbers(version) < _numbers(oldest):
        return _FINDINGS.error(
            name, f"{version}, required is {oldest} or newer", f"pip install --upgrade '{name}>={oldest}'"
        )
    return _FINDINGS.ok(name, version)


def _runtime(found: Mapping[str, str]) -> Finding:
    """Check for exactly one of the two distributions that provide the module onnxruntime."""
    there = [name for name in RUNTIMES if name in found]
    if len(there) == 2:
        remedy = "pip uninstall onnxruntime onnxruntime-gpu, then install one of them"
        return _FINDINGS.error(
            "onnxruntime", "onnxruntime and onnxruntime-gpu are both installed and overwrite each other", remedy
        )
    if not there:
        return _FINDINGS.error("onnxruntime", "not installed", "pip install 'transdiffuser_planner[cpu]', or [gpu]")
    return _package(there[0], OLDEST_RUNTIME, found[there[0]])


def _compiler(path: str | None) -> Finding:
    if path is None:
        return _FINDINGS.warn(
            "C++ compiler", "none; interface packages cannot be built", "on Debian and Ubuntu: apt install g++"
        )
    return _FINDINGS.ok("C++ compiler", path)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
