"""The agents of this package in NAVSIM's own devkit, on hand-made data. Run by `make test-navsim CHECKOUT=...`.

Every step is one of the devkit's scripts in a process of its own, as its users run it.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("navsim") is None:
    pytest.skip("the NAVSIM devkit is not here; make test-navsim CHECKOUT=FOLDER runs this", allow_module_level=True)

import navsim
import torch
from gpkg_file import lonlat_of
from navsim_data import LOG, SPLIT, ZONE, token_of, write_navsim

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.data.samples.sample_builder import DatasetJob, convert
from transdiffuser_planner.integrations.navsim.devkit import IS_V2
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.training.devkit_training import write_run
from transdiffuser_planner.training.run_folder import RunFolder

NUM_FRAMES = 18
SCENES = [token_of(number) for number in range(3, NUM_FRAMES - 10)]
SCRIPTS = Path(navsim.__file__).parent / "planning" / "script"
SEARCH = "hydra.searchpath=[pkg://navsim.planning.script.config.common,pkg://transdiffuser_planner.integrations.navsim.config]"
COMMON = [f"train_test_split={SPLIT}", "train_test_split.scene_filter.frame_interval=1", "worker=sequential"]
TRAINING = "agent=transdiffuser_training"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("navsim")
    write_navsim(root, NUM_FRAMES)
    os.environ["NUPLAN_MAPS_ROOT"] = str(root / "maps")
    return root


def run(data: Path, script: str, *options: str) -> str:
    environment = {
        **os.environ,
        "OPENSCENE_DATA_ROOT": str(data),
        "NUPLAN_MAPS_ROOT": str(data / "maps"),
        "NUPLAN_MAP_VERSION": "nuplan-maps-v1.0",
        "NAVSIM_EXP_ROOT": str(data / "exp"),
        "NAVSIM_DEVKIT_ROOT": str(SCRIPTS.parents[2]),
        "HYDRA_FULL_ERROR": "1",
    }
    command = [sys.executable, str(SCRIPTS / script), *COMMON, *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def metric_cache(data: Path) -> Path:
    option = "metric_cache_path" if IS_V2 else "cache.cache_path"
    run(data, "run_metric_caching.py", f"{option}={data / 'metric_cache'}")
    return data / "metric_cache"


def test_the_devkit_scores_every_scene_of_the_planner(data: Path, metric_cache: Path) -> None:
    script = "run_pdm_score_one_stage.py" if IS_V2 else "run_pdm_score.py"
    run(data, script, "agent=transdiffuser", "experiment_name=score", f"metric_cache_path={metric_cache}", SEARCH)
    (result,) = (data / "exp" / "score").rglob("*.csv")
    rows = {row["token"]: row for row in csv.DictReader(result.open())}
    assert set(SCENES) <= set(rows)
    assert all(rows[token]["valid"] == "True" for token in SCENES)
    scores = [float(rows[token]["score"]) for token in SCENES]
    print(f"\ndevkit {'v2' if IS_V2 else 'v1.1'}: mean score {np.mean(scores):.3f} of {len(scores)} scenes")
    assert all(float(rows[token]["no_at_fault_collisions"]) == 1.0 for token in SCENES)
    assert all(float(rows[token]["ego_progress"]) > 0.3 for token in SCENES)
    assert all(0.0 <= score <= 1.0 for score in scores)


@pytest.fixture(scope="module")
def feature_cache(data: Path) -> Path:
    cache = data / "cache"
    run(
        data,
        "run_dataset_caching.py",
        TRAINING,
        "agent.recipe=tiny",
        "experiment_name=cache",
        f"cache_path={cache}",
        SEARCH,
    )
    return cache


def cached(feature_cache: Path, token: str, name: str) -> dict[str, torch.Tensor]:
    with gzip.open(feature_cache / LOG / token / f"{name}.gz") as file:
        return pickle.load(file)


def test_its_feature_cache_equals_the_samples_of_this_package(data: Path, feature_cache: Path) -> None:
    log, out = data / "navsim_logs" / SPLIT / f"{LOG}.pkl", data / "samples"
    job = DatasetJob(
        bag=log, out=out, rig=None, topics=TopicMap(), contract=TINY, source="openscene", frames=frozenset(SCENES)
    )
    convert(job)
    names = json.loads((out / "meta.json").read_text())["frames"]
    assert names == SCENES
    largest = dict.fromkeys(("features", "labels"), 0.0)
    for row, token in enumerate(names):
        for kind, builder in (("features", "transdiffuser_observation"), ("labels", "transdiffuser_labels")):
            for name, value in cached(feature_cache, token, builder).items():
                own = np.load(out / f"{name}.npy")[row]
                assert own.shape == tuple(value.shape), name
                away = np.abs(own.astype(np.float64) - value.numpy().astype(np.float64))
                if kind == "labels" and own.dtype.kind != "f":
                    assert np.mean(away > 0.0) < 0.05, (token, name)
                    continue
                largest[kind] = max(largest[kind], away.max(initial=0.0))
                # Scenes give poses in the plane, logs with roll and pitch, which boxes are relative to.
                assert away.max(initial=0.0) <= (1e-6 if kind == "features" else 0.02), (token, name)
    print(f"\nlargest difference of features {largest['features']:.1e}, of labels {largest['labels']:.1e}")


def test_its_training_makes_a_run_that_is_loaded(data: Path, feature_cache: Path, tmp_path: Path) -> None:
    options = [
        TRAINING, "agent.recipe=tiny", "experiment_name=training", f"cache_path={feature_cache}",
        "use_cache_without_dataset=true", "force_cache_computation=false", f"train_logs=[{LOG}]", f"val_logs=[{LOG}]",
        "trainer.params.max_epochs=1", "trainer.params.accelerator=cpu", "trainer.params.strategy=auto",
        "trainer.params.precision=32", "dataloader.params.num_workers=0", "dataloader.params.prefetch_factor=null",
        "dataloader.params.batch_size=2", "dataloader.params.pin_memory=false", SEARCH,
    ]  # fmt: skip
    run(data, "run_training.py", *options)
    (checkpoint,) = (data / "exp" / "training").rglob("*.ckpt")
    write_run(checkpoint, "tiny", tmp_path / "run")
    network = RunFolder.open(tmp_path / "run").planner_network()
    assert all(torch.isfinite(weight).all() for weight in network.parameters())


@pytest.mark.skipif(IS_V2, reason="the v2 script needs the second stage of a challenge's split")
def test_its_submission_holds_a_plan_of_every_scene(data: Path) -> None:
    about = ["team_name=a", "authors=a", "email=a@b.cd", "institution=a", "country=a"]
    run(data, "run_create_submission_pickle.py", "agent=transdiffuser", "experiment_name=submission", *about, SEARCH)
    (path,) = (data / "exp" / "submission").rglob("submission.pkl")
    (predictions,) = pickle.loads(path.read_bytes())["predictions"]
    assert set(SCENES) <= set(predictions)
    assert all(plan.poses.shape == (8, 3) and np.isfinite(plan.poses).all() for plan in predictions.values())


def test_utm_positions_equal_proj() -> None:
    pyproj = pytest.importorskip("pyproj")
    xy = np.asarray([[664_430.0, 3_996_650.0], [300_000.0, 4_690_000.0], [372_000.0, 143_000.0]])
    project = pyproj.Transformer.from_crs(4326, 32600 + ZONE, always_xy=True)
    east, north = project.transform(*lonlat_of(xy, ZONE).T)
    assert np.abs(np.column_stack([east, north]) - xy).max() < 1e-3
