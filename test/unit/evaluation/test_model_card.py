"""The model card says what was measured, and refuses results of another model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from transdiffuser_planner.apps.main import main
from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.paths import model_folder
from transdiffuser_planner.evaluation.closed_loop import DriveResult, as_rows, summary
from transdiffuser_planner.evaluation.model_card import MEASURED, write_card
from transdiffuser_planner.evaluation.model_card_choice import choice_section, tokens_section
from transdiffuser_planner.evaluation.tables import save_json
from transdiffuser_planner.runtime.manifest import load_manifest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the shipped model without its results."""
    folder = tmp_path / "tiny"
    shutil.copytree(model_folder("tiny"), folder, ignore=shutil.ignore_patterns(MEASURED, "README.md"))
    return folder


def drive_result(seed: int, at_fault: int) -> DriveResult:
    return DriveResult(
        map_name="town-041", seed=seed, at_fault=at_fault, other_collisions=0, kinds=("front car",) * at_fault,
        off_road_s=0.0, red_lights=0, progress_m=300.0, expert_progress_m=400.0, end_reason="duration", duration_s=60.0,
        fallback_share=0.01, plan_ms_median=20.0, plan_ms_p99=31.0,
    )  # fmt: skip


def test_the_card_holds_the_measured_numbers_and_the_recipe(model: Path) -> None:
    results = [drive_result(8000, 0), drive_result(8001, 1)]
    content = {"model_hash": load_manifest(model).model_hash, "duration_s": 60.0, "summary": summary(results)}
    save_json(model / MEASURED / "closed_loop.json", {**content, "scenarios": as_rows(results)})
    text = write_card(model).read_text(encoding="utf-8")
    assert "| scenarios | 2 |" in text
    assert "| clean: no at-fault collision, never off the road, never off the route | 1 |" in text
    assert "| progress relative to the expert, mean | 0.75 |" in text
    assert "| 8001 | town-041 | no | 1 |" in text
    assert f"{load_manifest(model).training['data']['samples']} samples" in text
    assert "## Closed loop, test scenarios\n\nNot measured for this model." in text
    assert "## Open loop\n\nNot measured for this model." in text


def test_a_result_of_another_model_is_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = model / MEASURED / "open_loop.json"
    save_json(path, {"model_hash": "0" * 64, "candidates": 30, "rows": []})
    assert main(["evaluate", "card", str(model)]) == 2
    error = capsys.readouterr().err
    assert "measured model 000000000000" in error and "measure again" in error and error.count("\n") == 1


def test_the_shipped_card_is_what_the_command_writes(model: Path) -> None:
    shipped = model_folder("tiny")
    if (shipped / MEASURED).is_dir():
        shutil.copytree(shipped / MEASURED, model / MEASURED)
    written = write_card(model).read_text(encoding="utf-8").replace(model.as_posix(), "models/tiny")
    assert written == (shipped / "README.md").read_text(encoding="utf-8")
    for path in (shipped / MEASURED).glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["date"]


def test_the_card_says_what_tokens_and_scorer_are_worth(model: Path) -> None:
    manifest = replace(
        load_manifest(model), contract=replace(TINY, codebook_size=256), graphs={"scorer": model / "scorer.onnx"}
    )
    told = {"moments": 10, "followed_with": 0.7, "followed_without": 0.1, "candidates_with": 0.6, "candidates_without": 0.1}
    told |= {"ade_with_m": 0.5, "ade_without_m": 3.0}
    rows = [{"manoeuvre": name, **told} for name in ("stop", "all others than driven")]
    error = {"ade_mean": 0.04, "ade_p99": 0.09, "ade_worst": 0.14}
    when = {"date": "2026-11-26", "machine": "any"}
    text = tokens_section(manifest, {**when, "rows": rows, "reconstruction_m": error, "plans_encoded": 99})
    assert "it followed in 70.0 %\nof 10 moments; without tokens it would have ended there in 10.0 %" in text
    assert "| stop | 10 | 0.7 | 0.1 |" in text and "within 0.04 m" in text
    scores = dict.fromkeys(("no_at_fault_collision", "drivable_area", "time_to_collision", "comfort", "ego_progress"), 90.0)
    rows = [{"choice": "oracle", "title": "best candidate (oracle)", **scores, "pdms": 91.5}]
    assert "91.5" in choice_section(manifest, {**when, "rows": rows, "candidates": 24, "moments": 7})
    silent = replace(manifest, contract=replace(TINY, codebook_size=0), graphs={})
    assert "takes none" in tokens_section(silent, None)
    assert "rules choose" in choice_section(silent, None)


def _grown(model: Path, difference: float) -> str:
    """Let the model have been taught tokens; the hash of the one before."""
    path = model / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    before = {"model_hash": "ab" * 32, "difference": difference}
    manifest["training"]["before"] = {**before, **{key: manifest["training"][key] for key in ("recipe", "data")}}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return str(before["model_hash"])


def test_results_from_before_tokens_were_taught_count_if_nothing_else_changed(model: Path) -> None:
    results = [drive_result(8000, 0)]
    content = {"model_hash": _grown(model, 1e-6), "duration_s": 60.0, "summary": summary(results)}
    save_json(model / MEASURED / "closed_loop.json", {**content, "scenarios": as_rows(results)})
    text = write_card(model).read_text(encoding="utf-8")
    assert "Measured with model abababababab, which could not be told action tokens" in text
    assert "without them plans are those of before (model `abababababab`, largest difference\n1.0e-06)" in text


@pytest.mark.parametrize(("difference", "name"), [(1e-3, "closed_loop"), (1e-6, "tokens"), (1e-6, "plan_table")])
def test_results_from_before_do_not_count_else(model: Path, difference: float, name: str) -> None:
    save_json(model / MEASURED / f"{name}.json", {"model_hash": _grown(model, difference)})
    with pytest.raises(EvaluationError, match="measured model abababababab"):
        write_card(model)
