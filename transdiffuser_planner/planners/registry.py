"""Registry of planners: built-in ones, models by folder or name, plug-ins of other packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from transdiffuser_planner.core.errors import EvaluationError, ModelError
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planners import planner_plugins
from transdiffuser_planner.planners.constant_velocity import ConstantVelocityPlanner
from transdiffuser_planner.planners.idm import IdmPlanner
from transdiffuser_planner.planners.learned_baselines import LearnedBaselinePlanner
from transdiffuser_planner.planners.log_future import LogFuturePlanner
from transdiffuser_planner.planners.pdm_closed import PLAN_EVERY, PdmClosedPlanner
from transdiffuser_planner.planners.planner_names import (
    CONSTANT_VELOCITY,
    DRIVING,
    LOG_FUTURE,
    PlannerKind,
    check_not_renamed,
)
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES, REGRESSION_HEAD, load_baseline_manifest
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.simulation.rollout.planner_interface import PlannerInterface
from transdiffuser_planner.simulation.rollout.rollout import STEP_S

DEFAULT_BASELINES = Path("runs/baselines")
ALL: Final = "all"
_SIMPLE: dict[str, Callable[[int], PlannerInterface]] = {
    CONSTANT_VELOCITY: ConstantVelocityPlanner,
    "idm": IdmPlanner,
    "pdm-closed": PdmClosedPlanner,
    LOG_FUTURE: LogFuturePlanner,
}
_DEFAULT_PLAN_EVERY: Final = {"pdm-closed": PLAN_EVERY}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerSpec:
    """Planner of a suite with its settings; hashable and process independent.

    Attributes:
        name: Of ``planner_names.DRIVING``, of a plug-in, or of a model.
        model: Model folder; of a trained baseline, the model whose encoder it reads.
        baseline: Folder of a trained baseline.
        precision: Of the model's graphs.
        plan_every: Steps of 0.1 s between plans.
        selection: Of the model's candidates: "rules", "scorer" or "gated".
        parameters: Other parameters of the planner with their values.
    """

    name: str
    model: Path | None = None
    baseline: Path | None = None
    precision: str = "fp32"
    plan_every: int = 1
    selection: str = "rules"
    parameters: tuple[tuple[str, Any], ...] = ()

    @property
    def is_model(self) -> bool:
        """Whether the planner is a model of this project, not a baseline or a plug-in."""
        return self.model is not None and self.baseline is None

    @property
    def is_plugin(self) -> bool:
        """Whether another package provides the planner."""
        return not self.is_model and self.name not in DRIVING

    @property
    def label(self) -> str:
        """Name in results, with every setting that differs from the default."""
        parts = [self.name]
        if self.precision != "fp32":
            parts.append(self.precision)
        if self.selection != "rules":
            parts.append(self.selection)
        if self.plan_every != _DEFAULT_PLAN_EVERY.get(self.name, 1):
            parts.append(f"{1.0 / (STEP_S * self.plan_every):g} Hz")
        parts += [f"{name}={value}" for name, value in self.parameters]
        return " ".join(parts)

    @property
    def kind(self) -> PlannerKind:
        """Title and inputs, for tables."""
        if self.is_model:
            return PlannerKind(title=f"TransDiffuser {self.label}")
        return planner_plugins.kind_of(self.name, self.label) if self.is_plugin else DRIVING[self.name]

    def identity(self) -> dict[str, Any]:
        """Return everything that determines its plans, to keep results of different planners apart.

        Raises:
            PlannerError: The model, the baseline or the plug-in cannot be read.
        """
        known: dict[str, Any] = {"name": self.name, "plan_every": self.plan_every}
        if self.model is not None:
            known |= {"model_hash": load_manifest(self.model).model_hash, "precision": self.precision}
        if self.is_model:
            config = suite_config(self)
            known["config"] = {name: getattr(config, name) for name in config.__dataclass_fields__}
        if self.baseline is not None:
            known["baseline_hash"] = load_baseline_manifest(self.baseline).baseline_hash
        if self.is_plugin:
            known["plugin"] = planner_plugins.source_of(self.name)
        return known


def suite_config(spec: PlannerSpec) -> PlannerConfig:
    """Return the configuration of a model in a suite: one thread, because scenarios run in parallel.

    Args:
        spec: Planner and its settings.
    """
    settings = {"num_threads": 1, "precision": spec.precision, "selection": spec.selection}
    return PlannerConfig.from_dict({**settings, **dict(spec.parameters)})


def make_specs(
    names: list[str],
    *,
    baselines: Path = DEFAULT_BASELINES,
    model: str = DEFAULT_MODEL,
    precision: str = "fp32",
    plan_every: int = 1,
    selection: str = "rules",
    parameters: tuple[tuple[str, Any], ...] = (),
) -> tuple[list[PlannerSpec], list[str]]:
    """Resolve planners by name.

    Args:
        names: Built-in ones, plug-ins, models by name or folder, or "all": the model and every built-in planner.
        baselines: Folder with one folder for each exported baseline.
        model: Model whose encoder trained baselines read, and the model in "all".
        precision: Of models; baselines keep theirs.
        plan_every: Steps of 0.1 s between plans of models and plug-ins.
        selection: Of models; baselines keep theirs.
        parameters: Other parameters of models, checked.

    Returns:
        The planners, and one line for each that cannot be used here.

    Raises:
        PlannerError: A name is unknown or from an earlier version, or a plug-in cannot be imported.
    """
    expanded = [part for name in names for part in ([model, *DRIVING] if name == ALL else [name])]
    settings: dict[str, Any] = {"precision": precision, "plan_every": plan_every, "selection": selection}
    settings["parameters"] = parameters
    specs, skipped = [], []
    for name in dict.fromkeys(expanded):
        check_not_renamed(name)
        failure = _load_failure(baselines / name) if name in BASELINES else ""
        if failure:
            skipped.append(f"planner {name}: {failure}")
        else:
            specs.append(_make_spec(name, baselines, model, settings))
    return specs, skipped


def _make_spec(name: str, baselines: Path, model: str, settings: dict[str, Any]) -> PlannerSpec:
    if name in _SIMPLE:
        return PlannerSpec(name=name, plan_every=_DEFAULT_PLAN_EVERY.get(name, 1))
    if name in BASELINES:
        encoder = model_folder(model) if name == REGRESSION_HEAD else None
        return PlannerSpec(name=name, model=encoder, baseline=baselines / name)
    if name in planner_plugins.names():
        planner_plugins.factory(name)
        return PlannerSpec(name=name, plan_every=settings["plan_every"])
    folder = _model(name)
    return PlannerSpec(name=folder.name, model=folder, **settings)


def _model(name: str) -> Path:
    try:
        return model_folder(name).resolve()
    except Exception as error:
        known = ", ".join((*DRIVING, *planner_plugins.names(), ALL))
        raise EvaluationError(f"--planner {error}; planners are {known}") from None


def _load_failure(folder: Path) -> str:
    """Return the reason why a trained baseline cannot be loaded, or the empty string."""
    try:
        load_baseline_manifest(folder)
    except ModelError as error:
        return f"{error}, or give --baselines"
    return ""


def suite_rig() -> Rig:
    """Return the rig of all suites of seeds, and of logs without a rig of their own."""
    return Rig.load(RIGS / "carla.yaml")


@lru_cache(maxsize=8)
def make_planner(spec: PlannerSpec, rig: Rig | None = None) -> PlannerInterface:
    """Load the planner, once per process and rig.

    Args:
        spec: Planner and its settings.
        rig: The vehicle and its sensors; None for the suites' own.

    Raises:
        PlannerError: It cannot be loaded.
    """
    if spec.name in _SIMPLE:
        return _SIMPLE[spec.name](spec.plan_every)
    if spec.is_plugin:
        return planner_plugins.make(spec.name, spec.plan_every)
    rig, config = rig or suite_rig(), suite_config(spec)
    if spec.baseline is not None:
        return LearnedBaselinePlanner(spec.baseline, spec.model, rig, config, spec.plan_every)
    from transdiffuser_planner.planners.transdiffuser import TransdiffuserPlanner
    from transdiffuser_planner.runtime.planner import Planner

    assert spec.model is not None
    return TransdiffuserPlanner(Planner.load(spec.model, rig, config), spec.plan_every)
