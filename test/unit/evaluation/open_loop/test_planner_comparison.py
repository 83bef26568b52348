"""The comparison table: all planners plan on the same samples of a recorded drive."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo")
pytest.importorskip("embreex")
pytest.importorskip("rosbags")

from shared_drives import recorded_drives

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.data.candidates.plan_variants import NUM_VARIANTS, PlanKind
from transdiffuser_planner.data.candidates.scored_candidates import NUM_ALTERED
from transdiffuser_planner.evaluation.model_card.comparison_section import table_section
from transdiffuser_planner.evaluation.model_card.sampler_section import sampler_section
from transdiffuser_planner.evaluation.open_loop.planner_comparison import MEASURES, as_rows, seed_spread
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder

pytestmark = pytest.mark.slow

MODEL = model_folder("tiny")


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folders "bags" and "samples" of one recorded drive of the expert."""
    folder, made = tmp_path_factory.mktemp("drive"), recorded_drives(tmp_path_factory)
    for kind in ("bags", "samples"):
        (found,) = (made / kind).glob("*seed08107*")
        shutil.copytree(found, folder / kind / found.name)
    return folder


def _table(drive: Path, *options: str) -> int:
    where = ["--model", str(MODEL), "--bags", str(drive / "bags"), "--samples", str(drive / "samples")]
    return main(["evaluate", "comparison", *where, "--candidates", "16", "--workers", "1", *options])


def test_all_planners_plan_on_the_same_samples(drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(MODEL, tmp_path / "again" / "model", ignore=shutil.ignore_patterns("measured", "README.md"))
    out = tmp_path / "table.json"
    assert _table(drive, "--ablations", str(tmp_path), "--steps", "2", "--every", "4", "--out", str(out)) == 0
    data = json.loads(out.read_text(encoding="utf-8"))
    rows = {row["row"]: row for row in data["rows"]}
    assert {"constant-turn-rate", "one", "nearest_to_mean", "oracle", "log-future", "model@2", "again"} <= set(rows)
    assert data["samples"] >= 3 and data["model_hash"] == load_manifest(MODEL).model_hash
    assert rows["log-future"]["ade_m"] == 0.0 and rows["log-future"]["ms"] == 0.0
    assert rows["oracle"]["pdms"] >= max(rows["one"]["pdms"], rows["nearest_to_mean"]["pdms"])
    same = ("pdms", "ade_m", "fde_m", "diversity", "comfort", "drivable_area")
    assert [rows["again"][key] for key in same] == [rows["one"][key] for key in same]
    assert {"scorer#10", "oracle#15"} <= set(rows) and rows["oracle#10"]["pdms"] <= rows["oracle"]["pdms"]
    assert rows["model@2"]["ade_m"] != rows["one"]["ade_m"] and rows["model@2"]["ms"] > 0.0
    assert "| TransDiffuser, one sample | " in capsys.readouterr().out


def test_bags_without_samples_are_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _table(tmp_path) == 2
    assert "could be measured: no drive of" in capsys.readouterr().err
    assert _table(tmp_path, "--ablations", str(tmp_path)) == 2
    assert "make them with 'transdiffuser ablate'" in capsys.readouterr().err


def _scored(drive: Path, out: Path, *options: str) -> dict[str, np.ndarray]:
    where = [
        "--model",
        str(MODEL),
        "--bags",
        str(drive / "bags"),
        "--samples",
        str(drive / "samples"),
        "--out",
        str(out),
    ]
    few = ["--candidates", "3", "--instructed", "2", "--every", "6"]
    assert main(["score-candidates", *where, *few, *options]) == 0
    (path,) = (found for found in out.iterdir() if found.is_dir())
    return {file.stem: np.load(file) for file in sorted(path.glob("*.npy"))}


def test_plans_are_scored_the_same_over_ray_and_only_once(drive: Path, tmp_path: Path) -> None:
    alone = _scored(drive, tmp_path / "alone", "--workers", "1")
    assert alone["score"].shape[1:] == (3 + 2 + NUM_ALTERED + NUM_VARIANTS, 5) and len(alone["score"]) >= 3
    assert (alone["kind"][:, -1] == PlanKind.DRIVEN).all() and (alone["kind"][:, :3] == PlanKind.OWN).all()
    hit = alone["score"][..., 0] < 1.0
    np.testing.assert_array_equal(alone["touched"] >= 0, hit)
    np.testing.assert_array_equal(alone["off_road_step"] >= 0, alone["score"][..., 1] < 1.0)
    other = _scored(drive, tmp_path / "other", "--workers", "1", "--first", "1")
    assert np.abs(other["pose"][:2] - alone["pose"][:2]).max() > 0.01
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    shared = _scored(drive, tmp_path / "shared", "--ray")
    assert all(np.array_equal(shared[name], alone[name]) for name in alone)
    path = next((tmp_path / "shared").rglob("score.npy"))
    before = path.stat().st_mtime_ns
    _scored(drive, tmp_path / "shared", "--ray")
    assert path.stat().st_mtime_ns == before


def test_the_scorers_candidate_is_compared_with_other_ways_to_choose(drive: Path, tmp_path: Path) -> None:
    _scored(drive, tmp_path / "scored", "--workers", "1")
    out = tmp_path / "choice.json"
    assert (
        main(["evaluate", "selection", "--model", str(MODEL), "--plans", str(tmp_path / "scored"), "--out", str(out)])
        == 0
    )
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    pdms = {row["choice"]: row["pdms"] for row in rows}
    assert list(pdms) == ["one", "nearest_to_mean", "rules", "scorer", "gated", "oracle"]
    assert all(0.0 < pdms[name] <= pdms["oracle"] for name in ("rules", "scorer", "gated"))


def test_samplers_are_compared_on_the_same_frames(
    drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "samplers.json"
    where = ["--model", str(MODEL), "--bags", str(drive / "bags"), "--samples", str(drive / "samples")]
    samplers = ["ddpm:10", "ddpm:10", "dpm-solver++:2", "ddim:3@0.5"]
    few = ["--candidates", "6", "--every", "4", "--workers", "1", "--out", str(out)]
    assert main(["evaluate", "samplers", *where, "--samplers", *samplers, *few]) == 0
    exact, again, two, cold = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert not exact["change"] and all(interval == [0.0, 0.0, 0.0] for interval in again["change"].values())
    assert two["sampler"] == "dpm-solver++, 2 steps" and two["change"]["ade_m"][0] != 0.0
    assert cold["sampler"] == "ddim, 3 steps at temperature 0.5" and cold["diversity"] < exact["diversity"]
    assert all(row["best"] >= row["one"] and row["ade_m"] >= row["min_ade_m"] for row in (exact, two, cold))
    card = sampler_section({"date": "today", "machine": "here", **json.loads(out.read_text(encoding="utf-8"))})
    assert f"--samplers {' '.join(samplers)}" in card and "| ddim, 3 steps at temperature 0.5 | " in card
    assert "95 % interval" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["ddpm", "euler:3", "ddim:0", "ddim:3@hot"])
def test_a_sampler_that_there_is_not_is_one_line(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "samplers", "--bags", "b", "--samples", "s", "--samplers", wrong])
    assert "expected NAME:STEPS" in capsys.readouterr().err


def _values(pdms: float, ade_m: float) -> np.ndarray:
    values = np.ones((4, len(MEASURES)))
    values[:, MEASURES.index("pdms")] = pdms + np.asarray([-0.1, 0.1, -0.1, 0.1])
    values[:, MEASURES.index("ade_m")] = ade_m
    values[:2, MEASURES.index("diversity")] = np.nan
    return values


def test_rows_are_means_and_seeds_are_compared() -> None:
    found = {
        "one": _values(0.8, 0.5),
        "whole": _values(0.7, 0.6),
        "whole_seed_1": _values(0.72, 0.65),
        "other": _values(0.5, 1.0),
    }
    rows = as_rows(found, {"whole": "the whole", "whole_seed_1": "seed 1", "other": "T = 5"})
    assert [row["title"] for row in rows][:2] == ["TransDiffuser, one sample", "the whole"]
    assert rows[0]["pdms"] == 80.0 and rows[0]["pdms_error"] == 5.0 and rows[0]["diversity"] == 100.0
    recipes = {
        "whole": {"seed": 0, "steps": 10},
        "whole_seed_1": {"seed": 1, "steps": 10},
        "other": {"seed": 0, "steps": 5},
    }
    (spread,) = seed_spread(rows, recipes)
    assert spread == {"rows": ["whole", "whole_seed_1"], "pdms": 2.0, "ade_m": 0.05, "diversity": 0.0}
    manifest = load_manifest(MODEL)
    data = {"rows": rows, "samples": 4, "drives": 1, "candidates": 30, "workers": 1, "seed_spread": [spread]}
    data |= {"every": 6, "trained_on": {"ego-status-mlp": 99, "whole": 50, "other": 50}}
    text = table_section(manifest, {**data, "date": "2026-11-26", "machine": "a machine"})
    assert "2 seeds of `whole` differ by 2 PDMS, 0.05 m ADE and 0 D" in text and "| T = 5 | " in text
    assert "head were trained on 99 samples" in text and "They were trained on 50 samples" in text
    assert "Not measured" in table_section(manifest, None)
