"""Pytest fixture ``replay``, used as ``def test_drive(replay): replay("bag", conditions="limits.yaml")``.

Registered as a pytest plugin when the package is installed; heavy modules are imported on first use of the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def replay(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Replay a drive and fail the test when a check fails.

    Call it as ``replay(*bags, model=..., preset=..., topics=..., rig=..., conditions=..., baseline=..., golden=...,
    out=..., realtime=False, must_pass=True, **parameters)``; several bags are parts of one drive, relative paths start
    at pytest's root folder, further keywords are planner parameters. It returns the verdict, whose ``metrics`` hold
    every metric: ``drive.metrics.statistic("ade_4s_m", "mean")``.

    Args:
        request: Of pytest.

    Raises:
        UsageError: The function was called without a bag.
    """
    testers: dict[str, Any] = {}
    root = Path(request.config.rootpath)

    def run(*bags: str | Path, out: str | Path | None = None, must_pass: bool = True, **options: Any) -> Any:
        from transdiffuser_planner.core.errors import PlannerError
        from transdiffuser_planner.replay.drive_check import drive_name

        if not bags:
            raise pytest.UsageError("replay: give at least one bag")
        paths = [root / bag for bag in bags]
        try:
            key = repr(sorted(options.items()))
            if key not in testers:
                testers[key] = _tester(root, options)
            tester = testers[key]
            tester.expect_drives([drive_name(paths[0])])
            verdict = tester.run(paths, tester.choose(paths), None if out is None else root / out)
        except PlannerError as error:
            pytest.fail(f"replay of {bags[0]} could not run: {error}", pytrace=False)
        if must_pass and not verdict.has_passed:
            pytest.fail(
                f"replay of {bags[0]} failed:\n" + "\n".join(f"- {line}" for line in verdict.failures), pytrace=False
            )
        return verdict

    return run


def _tester(root: Path, options: dict[str, Any]) -> Any:
    """Create a tester from keyword options."""
    from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
    from transdiffuser_planner.replay.drive_check import DriveTester, Expectations, Setup

    left = dict(options)

    def path(name: str) -> Path | None:
        value = left.pop(name, None)
        return None if value is None else root / value

    model = left.pop("model", DEFAULT_MODEL)
    setup = {"preset": left.pop("preset", None), "topics_file": path("topics"), "rig_file": path("rig")}
    setup["is_realtime"] = bool(left.pop("realtime", False))
    expectations = Expectations(conditions=path("conditions"), baseline=path("baseline"), golden=path("golden"))
    in_root = root / str(model)
    model = in_root if in_root.is_dir() else model
    return DriveTester(Setup(model=model, config=PlannerConfig.from_dict(left), **setup), expectations)
