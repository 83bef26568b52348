"""The planners a suite knows by name, and how each is made. A model counts by its folder or name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.paths import DEFAULT_MODEL, model_folder
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.evaluation.live_drive import STEP_S, DrivingPlanner
from transdiffuser_planner.evaluation.suite.constant_velocity import ConstantVelocity
from transdiffuser_planner.evaluation.suite.expert_planner import ExpertPlanner
from transdiffuser_planner.evaluation.suite.idm_planner import IdmPlanner
from transdiffuser_planner.evaluation.suite.pdm_planner import PLAN_EVERY, PdmClosedPlanner
from transdiffuser_planner.recording.topics import PARAMS
from transdiffuser_planner.runtime.manifest import load_manifest

DEFAULT_BASELINES = Path("runs/baselines")
ALL: Final = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Attributes:
    title: For tables.
    sees: What it plans from, in a few words.
    is_privileged: Whether it knows what no vehicle could.
    """

    title: str
    sees: str
    is_privileged: bool


KINDS: Final = {
    "constant-velocity": Kind(title="constant velocity", sees="own speed", is_privileged=False),
    "mlp": Kind(title="ego-status MLP", sees="own state and past", is_privileged=False),
    "mlp-route": Kind(title="ego-status MLP with route", sees="own state, route, signal, limit", is_privileged=False),
    "regression": Kind(title="regression head", sees="sensors", is_privileged=False),
    "idm": Kind(title="IDM lane follower", sees="true traffic on the route", is_privileged=True),
    "pdm-closed": Kind(title="PDM-Closed", sees="true map, traffic, lights", is_privileged=True),
    "expert": Kind(title="expert's drive followed", sees="the future", is_privileged=True),
}
_SIMPLE: dict[str, Callable[[int], DrivingPlanner]] = {
    "constant-velocity": ConstantVelocity,
    "idm": IdmPlanner,
    "pdm-closed": PdmClosedPlanner,
    "expert": ExpertPlanner,
}
_TRAINED: Final = {"mlp": "mlp", "mlp-route": "mlp_route", "regression": "regression"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerSpec:
    """Which planner drives, and how; hashable, and the same in every process.

    Attributes:
        name: Of KINDS, or a model's.
        model: Folder of the model that plans, or that a trained baseline belongs to.
        baselines: Training run of a trained baseline.
        precision: Of the model's graphs.
        plan_every: Steps of 0.1 s from plan to plan.
        selection: What chooses among the model's candidates: "rules", "scorer".
    """

    name: str
    model: Path | None = None
    baselines: Path | None = None
    precision: str = "fp32"
    plan_every: int = 1
    selection: str = "rules"

    @property
    def is_model(self) -> bool:
        """Whether it is a model of this project rather than a baseline."""
        return self.name not in KINDS

    @property
    def label(self) -> str:
        """Its name in results; says whatever is not usual."""
        usual_every = PLAN_EVERY if self.name == "pdm-closed" else 1
        parts = [self.name]
        if self.precision != "fp32":
            parts.append(self.precision)
        if self.selection != "rules":
            parts.append(self.selection)
        if self.plan_every != usual_every:
            parts.append(f"{1.0 / (STEP_S * self.plan_every):g} Hz")
        return " ".join(parts)

    @property
    def kind(self) -> Kind:
        """For people."""
        if self.is_model:
            return Kind(title=f"TransDiffuser {self.label}", sees="sensors", is_privileged=False)
        return KINDS[self.name]

    def identity(self) -> dict[str, Any]:
        """Whatever decides what it plans, for results to be told apart.

        Raises:
            PlannerError: The model or the baseline is not there.
        """
        known: dict[str, Any] = {"name": self.name, "plan_every": self.plan_every}
        if self.model is not None:
            known |= {"model_hash": load_manifest(self.model).model_hash, "precision": self.precision}
        if self.is_model:
            config = suite_config(self)
            known["config"] = {name: getattr(config, name) for name in config.__dataclass_fields__}
        if self.baselines is not None:
            from transdiffuser_planner.training.baseline_planners import baseline_hash

            known["weights"] = baseline_hash(self.baselines, _TRAINED[self.name])
        return known


def suite_config(spec: PlannerSpec) -> PlannerConfig:
    """One thread a model, for whole scenarios run beside each other."""
    return PlannerConfig(num_threads=1, precision=spec.precision, selection=spec.selection)


def make_specs(
    names: list[str],
    *,
    baselines: Path = DEFAULT_BASELINES,
    model: str = DEFAULT_MODEL,
    precision: str = "fp32",
    plan_every: int = 1,
    selection: str = "rules",
) -> tuple[list[PlannerSpec], list[str]]:
    """Planners by name.

    Args:
        names: Of KINDS, models by name or folder, or "all": the model and every baseline.
        baselines: Training run of the trained baselines.
        model: That trained baselines belong to, and the one in "all".
        precision, plan_every, selection: Of models; baselines keep theirs.

    Returns:
        The planners, and one line for each that cannot be used here.

    Raises:
        PlannerError: A name is not known.
    """
    wanted = [part for name in names for part in ([model, *KINDS] if name == ALL else [name])]
    specs, skipped = [], []
    for name in dict.fromkeys(wanted):
        if name in _SIMPLE:
            specs.append(PlannerSpec(name=name, plan_every=PLAN_EVERY if name == "pdm-closed" else 1))
        elif name in _TRAINED:
            reason = _why_not(baselines, _TRAINED[name])
            if reason:
                skipped.append(f"planner {name}: {reason}")
            else:
                specs.append(PlannerSpec(name=name, model=model_folder(model), baselines=baselines))
        else:
            folder = _model(name)
            how: dict[str, Any] = {"precision": precision, "plan_every": plan_every, "selection": selection}
            specs.append(PlannerSpec(name=folder.name, model=folder, **how))
    return specs, skipped


def _model(name: str) -> Path:
    try:
        return model_folder(name).resolve()
    except Exception as error:
        raise EvaluationError(f"--planner {error}; planners are {', '.join((*KINDS, ALL))}") from None


def _why_not(folder: Path, name: str) -> str:
    """Why a trained baseline cannot be loaded, or the empty string."""
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        return "needs PyTorch; install the training extra"
    if not (folder / f"{name}.safetensors").is_file():
        return f"no {folder / f'{name}.safetensors'}; make it with 'transdiffuser train --stage baselines', or give --baselines"
    return ""


def suite_rig() -> Rig:
    """The vehicle of all suites."""
    return Rig.load(PARAMS / "rig_carla.yaml")


@lru_cache(maxsize=8)
def make_planner(spec: PlannerSpec) -> DrivingPlanner:
    """The planner, loaded once per process.

    Raises:
        PlannerError: It cannot be loaded.
    """
    if spec.name in _SIMPLE:
        return _SIMPLE[spec.name](spec.plan_every)
    rig, config = suite_rig(), suite_config(spec)
    assert spec.model is not None
    if spec.baselines is not None:
        from transdiffuser_planner.evaluation.suite.baseline_planner import TrainedBaseline
        from transdiffuser_planner.training.baseline_planners import BaselinePlanner

        name = _TRAINED[spec.name]
        return TrainedBaseline(BaselinePlanner(spec.baselines, name, spec.model, rig, config), spec.plan_every)
    from transdiffuser_planner.evaluation.suite.model_planner import ModelPlanner
    from transdiffuser_planner.runtime.planner import Planner

    return ModelPlanner(Planner.load(spec.model, rig, config), spec.plan_every)
