"""Planners of other packages: entry-point group ``transdiffuser_planner.planners`` (see ``planner_interface``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Final

from transdiffuser_planner.core.errors import EvaluationError, PlannerError
from transdiffuser_planner.core.types import NotReady, PlanResult, Trajectory
from transdiffuser_planner.planners.planner_names import PlannerKind
from transdiffuser_planner.plugins import load_plugin, plugin_names
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    Outcome,
    PlannerInitialization,
    PlannerInput,
    PlannerInterface,
)

PlannerFactory = Callable[[int], PlannerInterface]

GROUP: Final = "transdiffuser_planner.planners"
_SEES: Final = {
    ObservationLevel.WORLD: "true world",
    ObservationLevel.STATE: "own state, route, signal, limit",
    ObservationLevel.SENSORS: "sensors",
}


def names() -> tuple[str, ...]:
    """Return the names of all installed plug-ins."""
    return plugin_names(GROUP)


def factory(name: str) -> PlannerFactory:
    """Load the factory of a planner from another package.

    Args:
        name: Of ``names``.

    Raises:
        ConfigError: It cannot be imported.
        EvaluationError: It is not callable.
    """
    found = load_plugin(GROUP, name)
    if not callable(found):
        raise EvaluationError(f"planner '{name}': its entry point is no factory (plan_every) -> PlannerInterface")
    return found  # type: ignore[no-any-return]


def make(name: str, plan_every: int) -> PlannerInterface:
    """Make a planner of another package.

    Args:
        name: Of ``names``.
        plan_every: Steps of 0.1 s between plans.

    Raises:
        EvaluationError: It cannot be made, or is no planner.
        ConfigError: It cannot be imported.
    """
    make_planner = factory(name)
    with _one_line_errors(name, "cannot be made"):
        planner = make_planner(plan_every)
    if not isinstance(planner, PlannerInterface) or not isinstance(planner.observation_level, ObservationLevel):
        kind = type(planner).__name__
        raise EvaluationError(
            f"planner '{name}': {kind} is no PlannerInterface (simulation/rollout/planner_interface.py)"
        )
    return _GuardedPlanner(name, planner)


class _GuardedPlanner:
    """Planner of another package whose errors end a drive with one line instead of ending the suite."""

    def __init__(self, name: str, planner: PlannerInterface) -> None:
        self.observation_level, self.plan_every = planner.observation_level, planner.plan_every
        self._name, self._planner = name, planner

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario.

        Raises:
            EvaluationError: The planner raised an error.
        """
        with _one_line_errors(self._name, "reset failed"):
            self._planner.reset(initialization)

    def plan(self, planner_input: PlannerInput) -> Outcome:
        """Plan once.

        Raises:
            EvaluationError: The planner raised an error, or returned something other than a plan.
        """
        with _one_line_errors(self._name, "planning failed"):
            outcome = self._planner.plan(planner_input)
        if not isinstance(outcome, (PlanResult, Trajectory, NotReady)):
            expected = "Trajectory, PlanResult or NotReady"
            raise EvaluationError(f"planner '{self._name}': returned {type(outcome).__name__}, expected {expected}")
        return outcome


@contextmanager
def _one_line_errors(name: str, failure: str) -> Iterator[None]:
    """Convert errors of foreign code to one line with the planner's name.

    Raises:
        EvaluationError: The foreign code raised an error of another kind.
        PlannerError: The foreign code raised it; passed on unchanged.
    """
    try:
        yield
    except PlannerError:
        raise
    except Exception as error:  # foreign code can raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise EvaluationError(f"planner '{name}': {failure} ({type(error).__name__}: {reason})") from None


def kind_of(name: str, label: str) -> PlannerKind:
    """Return title and observation level for tables.

    Args:
        name: Of ``names``.
        label: Title of a factory that has none.

    Raises:
        PlannerError: It cannot be imported or made.
    """
    level = make(name, 1).observation_level
    title = str(getattr(factory(name), "title", label))
    return PlannerKind(title=title, sees=_SEES[level], is_privileged=level is ObservationLevel.WORLD)


def source_of(name: str) -> str:
    """Return package, version and object of a plug-in, which together identify the planner.

    Args:
        name: Of ``names``.
    """
    (point, *_) = entry_points(group=GROUP, name=name)
    package = "" if point.dist is None else f"{point.dist.name} {point.dist.version} "
    return f"{package}{point.value}"
