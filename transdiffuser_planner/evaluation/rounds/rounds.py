"""Rounds of fine-tuning on own failures: drive, correct, train, check on other scenarios; resumable after every step.

The recipe is that of R2LPL (Recoverable Rollout Policy Learning, 2606.30537): only states near failures are learned, with
replay of the earlier samples, because training on all own states spoils what the policy does well.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.files import PARTIAL, read_text
from transdiffuser_planner.evaluation.closed_loop.compare import paired
from transdiffuser_planner.evaluation.closed_loop.job import make_job
from transdiffuser_planner.evaluation.closed_loop.run import Store, run_jobs
from transdiffuser_planner.evaluation.rounds.corrections import CorrectionRule
from transdiffuser_planner.evaluation.rounds.failure_job import SAMPLES, FailureJob, run_failure_job
from transdiffuser_planner.parallel import fan_out
from transdiffuser_planner.planners.registry import PlannerSpec, suite_rig
from transdiffuser_planner.reports.markdown_tables import save_json
from transdiffuser_planner.simulation.scenario import Scenario

ROUNDS, SETTING = "rounds.json", "setting.json"
ROUNDS_WITHOUT_GAIN = 2
MIN_CORRECTIONS = 8
"""Fewer samples than these are not worth a round of training."""

Train = Callable[[Path, Sequence[Path], Path, Path, str], None]
"""Trains (model, folders of samples, run, new model, note); a function of the training package, which this one cannot import."""


class Progress(Protocol):
    """Opens a progress bar: description, number of units -> object with ``update`` and ``close``."""

    def __call__(self, description: str, total: int) -> Any:
        """Open a bar."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundsSetting:
    """Everything that decides the rounds.

    Attributes:
        out: Folder of all results.
        planner: The model to start from, and how it drives.
        drawn: Scenarios to fail in, of training seeds; each round drives the next ones.
        per_round: Scenarios per round.
        check: Scenarios that decide whether a round is kept; of validation seeds.
        num_rounds: Largest number of rounds.
        rule: Which plans may be targets.
        workers: Processes.
    """

    out: Path
    planner: PlannerSpec
    drawn: tuple[Scenario, ...]
    per_round: int
    check: tuple[Scenario, ...]
    num_rounds: int
    rule: CorrectionRule
    workers: int


def run_rounds(setting: RoundsSetting, train: Train, bar: Progress) -> list[dict[str, Any]]:
    """Run the rounds that are not finished.

    Args:
        setting: What to do.
        train: Fine-tunes the model.
        bar: Opens progress bars.

    Returns:
        One mapping per round: what failed, what was corrected, what the check shows, whether it is kept.

    Raises:
        PlannerError: The folder holds rounds of another setting, nothing could be driven, or training failed.
    """
    check_setting(setting)
    done = finished_rounds(setting.out)
    for number in range(len(done) + 1, setting.num_rounds + 1):
        if is_stuck(done):
            break
        model = kept_model(setting, done)
        drives = _drive(setting, model, number, bar)
        if not drives:
            break
        found = {"round": number, "start": str(model), **_counts(drives)}
        folders = sample_folders(setting.out, number)
        if found["corrections"] < MIN_CORRECTIONS:
            done.append(found | {"kept": False, "reason": "too few corrections to train on"})
            break
        new = setting.out / "models" / f"round_{number}"
        note = f"round {number} of 'improve': {found['corrections']} corrections of own failures"
        if not new.is_dir():
            partial = new.with_name(new.name + PARTIAL)
            shutil.rmtree(partial, ignore_errors=True)
            train(model, folders, _folder(setting.out, number) / "run", partial, note)
            partial.rename(new)
        done.append(found | {"model": str(new)} | _check(setting, model, new, bar))
        save_json(setting.out / ROUNDS, {"rounds": done})
    save_json(setting.out / ROUNDS, {"rounds": done})
    return done


def check_setting(setting: RoundsSetting) -> None:
    """Keep the setting in the folder of the rounds; on resuming, check that it is the same. More rounds are permitted.

    Args:
        setting: Of the rounds.

    Raises:
        EvaluationError: The folder holds rounds of another setting.
    """
    described = {
        "model": setting.planner.identity(),
        "seeds": [scenario.seed for scenario in setting.drawn],
        "per_round": setting.per_round,
        "check": [scenario.seed for scenario in setting.check],
        "duration_s": setting.check[0].duration_s,
        "trust_region_m": setting.rule.trust_region_m,
    }
    now = json.loads(json.dumps(described))
    path = setting.out / SETTING
    if not path.is_file():
        setting.out.mkdir(parents=True, exist_ok=True)
        save_json(path, now)
        return
    before = json.loads(read_text(path))
    for key, value in now.items():
        if before.get(key) != value:
            raise EvaluationError(
                f"rounds {setting.out}: made with {key} {_short(before.get(key))}, now {_short(value)}; give another --out"
            )


def _short(value: Any) -> str:
    text = str(value.get("model_hash", value)) if isinstance(value, dict) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def finished_rounds(out: Path) -> list[dict[str, Any]]:
    """Return the finished rounds of a folder.

    Args:
        out: Folder of the rounds.

    Raises:
        EvaluationError: Its file cannot be read.
    """
    path = out / ROUNDS
    if not path.is_file():
        return []
    try:
        rounds = json.loads(read_text(path))["rounds"]
        return [dict(item) for item in rounds if "model" in item]
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"rounds {path}: cannot be read ({error}); remove the folder to begin again") from None


def kept_model(setting: RoundsSetting, done: list[dict[str, Any]]) -> Path:
    """Return the model of the last round that was kept, or the one to start from.

    Args:
        setting: Of the rounds.
        done: Finished rounds.
    """
    kept = [Path(item["model"]) for item in done if item["kept"]]
    assert setting.planner.model is not None
    return kept[-1] if kept else setting.planner.model


def sample_folders(out: Path, last: int) -> list[Path]:
    """Return the folders of the corrections of all rounds up to one.

    Args:
        out: Folder of the rounds.
        last: Number of the last round that counts.
    """
    return sorted(path for n in range(1, last + 1) for path in (_folder(out, n) / "drives").glob(f"*/{SAMPLES}"))


def _folder(out: Path, number: int) -> Path:
    return out / f"round_{number}"


def is_stuck(done: list[dict[str, Any]]) -> bool:
    """Return whether the last two rounds brought nothing.

    Args:
        done: Finished rounds.
    """
    last = done[-ROUNDS_WITHOUT_GAIN:]
    return len(last) == ROUNDS_WITHOUT_GAIN and not any(item["kept"] for item in last)


def _spec(setting: RoundsSetting, model: Path) -> PlannerSpec:
    return replace(setting.planner, name=model.name, model=model)


def _drive(setting: RoundsSetting, model: Path, number: int, bar: Progress) -> list[dict[str, Any]]:
    """Drive the scenarios of a round; none when all are used.

    Raises:
        EvaluationError: None could be driven.
    """
    first = (number - 1) * setting.per_round
    scenarios = setting.drawn[first : first + setting.per_round]
    folder, spec = _folder(setting.out, number) / "drives", _spec(setting, model)
    jobs = [
        FailureJob(scenario=scenario, planner=spec, out=folder / scenario.file_name, rule=setting.rule)
        for scenario in scenarios
    ]
    found: list[dict[str, Any]] = []
    progress = bar(f"round {number}: failures", len(jobs))
    for outcome in fan_out(run_failure_job, jobs, workers=setting.workers):
        found.append(outcome)
        progress.update(1)
    progress.close()
    if jobs and all("reason" in item for item in found):
        raise EvaluationError(f"round {number}: no scenario could be driven ({found[0]['reason']})")
    return found


def _counts(drives: list[dict[str, Any]]) -> dict[str, Any]:
    """Failures and corrections of a round's drives by kind."""
    driven = [item for item in drives if "reason" not in item]
    failures = Counter(failure["kind"] for item in driven for failure in item["failures"])
    corrected = Counter(correction["kind"] for item in driven for correction in item["corrections"])
    return {
        "drives": len(driven),
        "not_driven": sorted(f"seed {item['seed']}: {item['reason']}" for item in drives if "reason" in item),
        "failures": dict(failures),
        "searched": sum(item["searched"] for item in driven),
        "corrected": dict(corrected),
        "corrections": sum(corrected.values()),
        "own_plans": sum(correction["is_own"] for item in driven for correction in item["corrections"]),
    }


def _check(setting: RoundsSetting, before: Path, after: Path, bar: Progress) -> dict[str, Any]:
    """Drive the check scenarios with both models and compare them scenario by scenario."""
    rows = []
    for model in (before, after):
        spec = _spec(setting, model)
        identity, vehicle = spec.identity(), suite_rig().vehicle
        jobs = [make_job(scenario, spec, identity, vehicle) for scenario in setting.check]
        progress = bar(f"check of {model.name}", len(jobs))
        entries = run_jobs(jobs, Store(folder=setting.out / "check"), workers=setting.workers, progress=progress)
        progress.close()
        rows.append({(e["row"]["map"], e["row"]["seed"]): e["row"] for e in entries if e["row"] is not None})
    found = paired(rows[0], rows[1])
    change = found["columns"]["scene_score"]
    drives = [{key: drive[key] for key in ("map", "seed", "first", "second")} for drive in found["drives"]]
    return {
        "kept": bool(change is not None and change["mean"] > 0.0),
        "scenarios": found["scenarios"],
        "successes": found["successes"],
        "changes": found["columns"],
        "fixed": [drive for drive in reversed(drives) if drive["second"] > drive["first"]],
        "broken": [drive for drive in drives if drive["second"] < drive["first"]],
    }
