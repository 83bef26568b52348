"""The model card reports the measured results, and refuses results of another model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.results_writer import SuiteSetting, suite_content
from transdiffuser_planner.evaluation.closed_loop.summary import SUCCESS
from transdiffuser_planner.evaluation.model_card.card import MEASURED, write_card
from transdiffuser_planner.evaluation.model_card.selection_section import choice_section, tokens_section
from transdiffuser_planner.evaluation.model_card.speed_section import simulator_section
from transdiffuser_planner.planners.registry import make_specs
from transdiffuser_planner.reports.markdown_tables import save_json
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder

SIMULATOR = {"agents_mean": 20.0, "times_real_time": 3.0, "ms_per_step": 33.0}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the shipped model without its results."""
    folder = tmp_path / "tiny"
    shutil.copytree(model_folder("tiny"), folder, ignore=shutil.ignore_patterns(MEASURED, "README.md"))
    return folder


def _row(seed: int, at_fault: int = 0, red_lights: int = 0) -> dict[str, Any]:
    counts = {
        "at_fault_collisions": at_fault,
        "not_at_fault_collisions": 0,
        "red_lights": red_lights,
        "off_road_s": 0.0,
        "route_deviation": False,
    }
    events = [{"time_s": 3.5, "kind": "collision", "text": "front: car 3"}] * at_fault
    return {
        "planner": "tiny", "map": "town-041", "seed": seed, "driving_score": 75.0, **counts, "route_completion": 0.5,
        "progress": 0.75, "progress_m": 300.0, "expert_m": 400.0, "comfort": 1.0, "ttc_min_s": None, "ttc_violations": 0.0,
        "plan_deviation_m": 0.1, "fallbacks": 0.01, "duration_s": 60.0, "end_reason": "duration", "events": events,
    }  # fmt: skip


def _save_suite(model: Path, rows: list[dict[str, Any]], name: str = "closed_loop", **options: Any) -> None:
    """Save the summary of a suite as one that the model drove."""
    specs, _ = make_specs([str(model)], **options)
    cost = {"cpu_s": 60.0, "wall_s": 61.0, "plan_ms_median": 20.0, "plan_ms_p99": 31.0}
    entries = [
        {"key": "0", "planner": specs[0].label, "seed": r["seed"], "row": r | {"planner": specs[0].label}, "cost": cost}
        for r in rows
    ]
    seeds = f"{rows[0]['seed']} to {rows[-1]['seed']}"
    setting = SuiteSetting(name=f"seeds {seeds}", seeds=seeds, duration_s=60.0, workers="2 processes at once")
    save_json(model / MEASURED / f"{name}.json", suite_content(entries, specs, setting, []))


def test_the_card_holds_the_measured_numbers_and_the_recipe(model: Path) -> None:
    _save_suite(model, [_row(8000), _row(8001, at_fault=1)])
    text = write_card(model).read_text(encoding="utf-8")
    assert "| scenarios | 2 |" in text
    assert f"| successful: {SUCCESS} | 1 |" in text
    assert "| progress %, mean (95 % interval) | 75.0 |" in text
    assert (
        "| 8001 | town-041 | no | 75 | 1 |" in text and "| collision at 3.5 s, 75 % of the expert's progress |" in text
    )
    assert "evaluate suite --seeds 8000:8002 --planner tiny --out" in text
    assert f"{load_manifest(model).training['data']['samples']} samples" in text
    assert "## Closed loop, test scenarios\n\nNot measured for this model." in text
    assert "## Open loop\n\nNot measured for this model." in text


def test_a_drive_with_a_red_light_is_no_success_in_the_card_as_in_the_suite(model: Path) -> None:
    _save_suite(model, [_row(8000, red_lights=1)])
    text = write_card(model).read_text(encoding="utf-8")
    assert f"| successful: {SUCCESS} | 0 |" in text and "| 8000 | town-041 | no |" in text


def test_drives_chosen_by_the_scorer_name_their_command(model: Path) -> None:
    _save_suite(model, [_row(8000)], "closed_loop_scorer", selection="scorer", plan_every=2)
    text = write_card(model).read_text(encoding="utf-8")
    assert "--seeds 8000:8001 --planner tiny --selection scorer --plan-every 2 --out" in text


def test_a_result_that_no_suite_wrote_is_refused(model: Path) -> None:
    save_json(model / MEASURED / "closed_loop.json", {"model_hash": load_manifest(model).model_hash, "scenarios": []})
    with pytest.raises(EvaluationError, match=r"expected the summary\.json of 'evaluate suite' with one model"):
        write_card(model)


def test_a_result_of_another_model_is_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = model / MEASURED / "open_loop.json"
    save_json(path, {"model_hash": "0" * 64, "candidates": 30, "rows": []})
    assert main(["model-card", str(model)]) == 2
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


def test_the_card_shows_the_simulators_cost_by_road_users(model: Path) -> None:
    row = {"agents_mean": 61.5, "agents_min": 57, "agents_max": 66, "times_real_time": 3.4, "ms_per_step": 29.5}
    parts = {"traffic_ms": 6.0, "scene_ms": 3.5, "cameras_ms": 13.0, "lidar_ms": 7.0}
    rows = [row | parts | {"p99_ms": 41.0, "reference_ms": 21.0, "step_in_r": 1.4}]
    when = {"date": "2026-11-30", "machine": "any"}
    text = simulator_section({**when, "simulator": {"map": "avenues", "seed": 8005, "steps": 300, "rows": rows}})
    assert (
        "mean ms of 300 steps" in text and "| 61.5 | 57 | 66 | 3.4 | 29.5 | 41 | 6 | 3.5 | 13 | 7 | 21 | 1.4 |" in text
    )


def test_the_card_reports_the_gain_from_tokens_and_scorer(model: Path) -> None:
    manifest = replace(
        load_manifest(model), contract=replace(TINY, codebook_size=256), graphs={"scorer": model / "scorer.onnx"}
    )
    following = {
        "samples": 10,
        "followed_with": 0.7,
        "followed_without": 0.1,
        "candidates_with": 0.6,
        "candidates_without": 0.1,
    }
    following |= {"ade_with_m": 0.5, "ade_without_m": 3.0}
    rows = [{"maneuver": name, **following} for name in ("stop", "all other maneuvers")]
    error = {"ade_mean": 0.04, "ade_p99": 0.09, "ade_worst": 0.14}
    when = {"date": "2026-11-26", "machine": "any"}
    text = tokens_section(manifest, {**when, "rows": rows, "reconstruction_m": error, "plans_encoded": 99})
    assert "it followed in\n70.0 % of 10 samples; without tokens it would have ended there in 10.0 %" in text
    assert "| stop | 10 | 0.7 | 0.1 |" in text and "within 0.04 m" in text
    scores = dict.fromkeys(
        ("no_at_fault_collision", "drivable_area", "time_to_collision", "comfort", "ego_progress"), 90.0
    )
    rows = [{"choice": "oracle", "title": "best candidate (oracle)", **scores, "pdms": 91.5}]
    assert "91.5" in choice_section(manifest, {**when, "rows": rows, "candidates": 24, "samples": 7})
    without = replace(manifest, contract=replace(TINY, codebook_size=0), graphs={})
    assert "takes none" in tokens_section(without, None)
    assert "rules choose" in choice_section(without, None)


def test_a_suite_of_an_earlier_version_gives_the_same_card(model: Path) -> None:
    _save_suite(model, [_row(8000), _row(8001, at_fault=1)])
    text = write_card(model).read_text(encoding="utf-8")
    path = model / MEASURED / "closed_loop.json"
    old = path.read_text(encoding="utf-8")
    for key, before in {
        "not_at_fault_collisions": "others_fault",
        "at_fault_collisions": "at_fault",
        "route_deviation": "left_route",
        "ttc_violations": "ttc_short",
        "successes": "clean",
    }.items():
        assert f'"{key}"' in old
        old = old.replace(f'"{key}"', f'"{before}"')
    path.write_text(old, encoding="utf-8")
    assert write_card(model).read_text(encoding="utf-8") == text


def _grown(model: Path, difference: float) -> str:
    """Record tokens as a later training stage in the manifest; return the hash of the base model."""
    path = model / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    before = {"model_hash": "ab" * 32, "difference": difference}
    manifest["training"]["before"] = {**before, **{key: manifest["training"][key] for key in ("recipe", "data")}}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return str(before["model_hash"])


def test_results_of_the_base_model_count_if_only_tokens_were_added(model: Path) -> None:
    save_json(model / MEASURED / "simulator.json", {"model_hash": _grown(model, 1e-6), "simulator": SIMULATOR})
    text = write_card(model).read_text(encoding="utf-8")
    assert "Measured with model abababababab, which takes no action tokens" in text
    assert "without tokens plans equal those of the base model (`abababababab`, largest difference\n1.0e-06)" in text


@pytest.mark.parametrize(("difference", "name"), [(1e-3, "open_loop"), (1e-6, "tokens"), (1e-6, "plan_table")])
def test_results_of_the_base_model_do_not_count_otherwise(model: Path, difference: float, name: str) -> None:
    save_json(model / MEASURED / f"{name}.json", {"model_hash": _grown(model, difference)})
    with pytest.raises(EvaluationError, match="measured model abababababab"):
        write_card(model)
