"""The planner's benchmark repeats the calls that a cycle made, and states speed-ups and limits in its tables."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.contract import AGENT_AXIS, CANDIDATE_AXIS, TOKEN_AXIS, observation_specs, plan_spec
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.evaluation.benchmarks.graphs.graph_calls import GraphsAlone, RecordingBackend
from transdiffuser_planner.evaluation.benchmarks.planner_tables import eager_table, tables
from transdiffuser_planner.evaluation.model_card.speed_section import cycle_section
from transdiffuser_planner.runtime.cycle.candidate_sampler import agent_tensors
from transdiffuser_planner.runtime.inference.backend_registry import make_backend
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder

TINY = Path(model_folder("tiny"))


def test_recorded_calls_have_their_sizes_and_are_repeated_in_as_many_threads() -> None:
    backend = RecordingBackend(make_backend(load_manifest(TINY), PlannerConfig(num_threads=1)))
    specs = observation_specs(backend.manifest.contract)
    observation = {name: np.zeros((1, *spec.shape), dtype=np.float32) for name, spec in specs.items()}
    condition = backend.condition(backend.encode(observation), observation, agent_tensors([], np.zeros((0, 3)), 2))
    x = np.zeros((3, 3, plan_spec(backend.manifest.contract).shape[1]), dtype=np.float32)
    expected = backend.predict_noise(x, 4, condition)
    other = threading.Thread(target=backend.predict_noise, args=(x[:2], 4, condition))
    other.start()
    other.join()
    calls = backend.take()
    assert [call.graph for call in calls] == ["encoder", "condition", "denoise", "denoise"]
    assert calls[1].sizes == {AGENT_AXIS: 2} and calls[2].sizes == {CANDIDATE_AXIS: 3, TOKEN_AXIS: 3}
    assert calls[2].thread != calls[3].thread and calls[3].sizes[CANDIDATE_AXIS] == 2
    assert calls[2].repeat is not None and np.array_equal(calls[2].repeat(), expected)
    assert backend.take() == []
    spent_ms = GraphsAlone().once_ms(calls)
    assert list(spent_ms) == ["encoder", "condition", "denoise"] and min(spent_ms.values()) > 0.0
    assert backend.scorer_call(5).sizes == {CANDIDATE_AXIS: 5, AGENT_AXIS: 2} and backend.take() == []


@pytest.mark.slow
def test_the_command_states_speed_up_operations_and_peak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "planner.json"
    scenario = ["--map", "town-041", "--agents", "10"]
    command = ["benchmark", "planner", "--model", str(TINY), "--quick", "--threads", "1", "--out", str(out)]
    assert main([*command, *scenario, "--reference", "torch"]) == 0
    printed = capsys.readouterr().out
    result = json.loads(out.read_text(encoding="utf-8"))
    run = result["planner"]["runs"][0]
    # One cycle with the contract's agents, one with those of the scene.
    assert run["eager"]["contract_agents"]["agents"] == 8 and run["eager"]["scene_agents"]["ms"]["p50"] > 0.0
    graphs = {row["graph"]: row for row in run["graphs"]}
    assert list(graphs) == ["encoder", "condition", "denoise", "scorer", "whole cycle"]
    parts = sum(graphs[name]["mflop"] for name in ("encoder", "condition", "denoise"))
    assert graphs["whole cycle"]["mflop"] == pytest.approx(parts, abs=0.2)
    assert graphs["denoise"]["runs"] == run["denoise_steps"]
    assert run["peak"]["convolution_gflops"] > 0.0
    assert "speed-up" in printed and "% of the peak" in printed and "median_in_r: " in printed
    card = cycle_section(result)
    assert "`--reference torch`" in card and "| encoder | 1 |" in card


def _run(**more: Any) -> dict[str, Any]:
    times = {"p50": 20.0, "p95": 21.0, "p99": 22.0, "max": 23.0, "jitter": 0.5}
    run = {"precision": "fp32", "busy_processes": 0, "cycle_ms": times, "graphs_alone_ms": times, "reference_ms": times}
    run |= {"median_by_graphs_alone": 1.1, "median_in_r": 0.9, "p99_in_r": 1.6, "stage_ms": {"encode": times}}
    return run | {"agents_mean": 6.0, "candidates": 30, "denoise_steps": 10, "threads": 2} | more


def test_tables_show_what_was_measured_and_nothing_else() -> None:
    assert eager_table([_run()]) == ""
    text = tables([_run(not_counted="counting operations needs onnx")])
    assert "counting operations needs onnx" in text and "GFLOP/s" not in text and "| encode | 20 |" in text
    ms = {"p50": 100.0}
    eager = {"denoise_steps": 10, "contract_agents": {"agents": 8, "ms": ms, "cycle_ms": 20.0, "speed_up": 5.0}}
    table = eager_table([_run(eager=eager)])
    assert "| fp32 | 0 | 8 | 10 | 100 | 20 | 5 |" in table and table.count("\n") == 2


def test_the_card_of_an_earlier_result_has_no_new_parts() -> None:
    start = {"model_ready_s": 1.0, "resident_mb": 200.0}
    card = cycle_section({"date": "2026-11-24", "machine": "any", "planner": {"runs": [_run()], "start_up": start}})
    assert "PyTorch" not in card and "Floating-point" not in card and card.endswith("200 MB.")
