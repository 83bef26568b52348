"""Growth of the cycle and of throughput: exponents, placed agents, rates while all processes work."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.evaluation.benchmarks.growth.axes import camera_rig
from transdiffuser_planner.evaluation.benchmarks.growth.cycle_growth import upper_exponent
from transdiffuser_planner.evaluation.benchmarks.growth.growth_plot import plot_growth
from transdiffuser_planner.evaluation.benchmarks.growth.scoring_workers import BATCH, ScoredBatch, rate_of
from transdiffuser_planner.evaluation.benchmarks.placed_agents import MOST, detection_outputs
from transdiffuser_planner.networks.network_config import NetworkConfig
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planning.observation.stitched_view import segment_columns
from transdiffuser_planner.planning.perception.detection_decoder import decode_detections
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder


def test_the_exponent_is_that_of_the_largest_sizes() -> None:
    sizes = [1, 2, 4, 8, 16]
    assert upper_exponent(sizes, [3.0 * size for size in sizes]) == 1.0
    assert upper_exponent(sizes, [9.0, 9.0, 4.0**2, 8.0**2, 16.0**2]) == 2.0
    assert upper_exponent([0, 4], [1.0, 5.0]) == 0.0  # one size alone has none
    assert 0.3 < upper_exponent(sizes, [10.0 + size for size in sizes]) < 1.0


@pytest.mark.parametrize("count", [0, 1, 8, MOST])
def test_as_many_agents_are_detected_as_are_placed(count: int) -> None:
    outputs = detection_outputs(TINY, count)
    found = decode_detections(outputs["agent_heatmap"][0], outputs["agent_box"][0], TINY, 0.3)
    assert len(found) == count
    assert np.all(np.abs(found.pose_D3[:, 1]) > 6.0) and np.all(found.pose_D3[:, 2] == 0.0)


def test_cameras_stand_from_left_to_right_without_overlap() -> None:
    rig = camera_rig(Rig.load(RIGS / "carla.yaml"), 6)
    yaws = [camera.yaw_rad for camera in rig.cameras]
    width_rad = 2.0 * np.arctan(rig.cameras[0].width / 2 / rig.cameras[0].fx)
    assert len(rig.cameras) == 6 and np.all(-np.diff(yaws) >= width_rad - 1e-3)


def test_the_rate_counts_only_while_all_processes_work() -> None:
    first = [ScoredBatch(process=1, begin_s=float(s), end_s=float(s + 1)) for s in range(10)]
    late = [ScoredBatch(process=2, begin_s=s + 4.0, end_s=s + 5.0) for s in range(4)]
    assert rate_of(first) == BATCH
    assert rate_of([*first, *late]) == 2 * BATCH  # from 4 to 8 s
    apart = [ScoredBatch(process=3, begin_s=20.0, end_s=21.0)]
    assert rate_of([*first, *apart]) == pytest.approx(11 * BATCH / 21.0)


@pytest.mark.slow
def test_the_figure_has_all_axes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    row = {"cycle_ms": 20.0, "encode_ms": 5.0, "denoise_ms": 9.0, "memory_mb": 100.0}
    rows = [row | {"size": size} for size in (10, 20)]
    axis = {"rows": rows, "exponents": {"cycle_ms": 0.4, "memory_mb": 0.1}}
    workers = [{"what": "training, DDP", "workers": count, "rate": 5.0 * count} for count in (1, 2)]
    plot_growth(tmp_path / "growth.png", {"candidates": axis, "steps": axis, "threads": axis}, workers, "any machine")
    assert (tmp_path / "growth.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_the_command_measures_an_axis_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "growth.json"
    command = ["benchmark", "growth", "--quick", "--rounds", "1", "--axes", "steps", "--threads", "1"]
    scenario = ["--map", "town-041", "--agents", "5", "--model", str(model_folder("tiny"))]
    assert main([*command, *scenario, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    axis = json.loads(out.read_text(encoding="utf-8"))["growth"]["axes"]["steps"]
    assert [row["size"] for row in axis["rows"]] == [1, 2] and axis["weights"] == "shipped"
    assert all(row["memory_mb"] > 10.0 and row["cycle_ms"] > row["denoise_ms"] > 0.0 for row in axis["rows"])
    assert "| denoise steps | cycle ms |" in printed and "Exponent of growth over the largest sizes: cycle " in printed


@pytest.mark.slow
def test_a_model_of_more_cameras_has_their_view_and_the_shipped_architecture(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from transdiffuser_planner.training.export.sized_model import export_sized

    shipped, rig = load_manifest(model_folder("tiny")), camera_rig(Rig.load(RIGS / "carla.yaml"), 1)
    made = load_manifest(export_sized(shipped, tmp_path / "model", num_agents=3, rig=rig))
    assert made.contract.num_agents == 3 and made.contract.image_width == 160
    assert segment_columns(made.contract) == [slice(0, 160)]
    architecture, changed = (NetworkConfig.from_dict(model.training["network"]) for model in (shipped, made))
    assert replace(changed, image=architecture.image) == architecture
    assert made.training["network"]["image"]["tokens"] == [4, 5]


def test_samples_that_cannot_be_trained_on_are_refused_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "growth", "--axes", "scoring", "training", "--samples", str(tmp_path)]) == 2
    assert "make samples with 'transdiffuser dataset'" in capsys.readouterr().err
