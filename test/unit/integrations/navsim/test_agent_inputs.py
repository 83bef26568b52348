"""Inputs and labels of NAVSIM's agents without the devkit: its values are rebuilt from a log's frames."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from navsim_data import PLACE, heading, token_of, write_navsim
from PIL import Image

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.data.logs.openscene.point_cloud import read_pcd
from transdiffuser_planner.data.samples.sample_rows import observation_row
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.integrations.navsim.agent_inputs import builder_for, snapshot_of
from transdiffuser_planner.integrations.navsim.scene_labels import labels_of
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.training.batches.augmentation import mirror

NUM_FRAMES, PRESENT = 13, 3


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_navsim(tmp_path_factory.mktemp("navsim"), NUM_FRAMES)


@pytest.fixture(scope="module")
def samples(log: Path, tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    """Made by the command, for one frame of a scene filter as the devkit has them."""
    folder = tmp_path_factory.mktemp("samples")
    scenes = folder / "filter.yaml"
    scenes.write_text(f"_target_: x\nlog_names: [{log.stem}]\ntokens: [{token_of(PRESENT)}, {token_of(4)}, absent]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUPLAN_MAPS_ROOT", str(log.parents[2] / "maps"))
        arguments = ["dataset", str(log.parent), "--out", str(folder / "out"), "--scene-filter", str(scenes)]
        assert main([*arguments, "--workers", "1"]) == 0
    return SampleSet.open(folder / "out", TINY)


def agent_input(log: Path, *, with_cloud: bool = True, with_images: bool = True) -> Any:
    """What the devkit gives an agent for the fourth frame."""
    frames = pickle.loads(log.read_bytes())[: PRESENT + 1]
    poses = np.asarray([global_pose(frame, number) for number, frame in enumerate(frames)])
    local = local_from_global(poses[-1], poses).astype(np.float32)
    blobs = log.parents[2] / "sensor_blobs" / "mini"
    statuses = [
        SimpleNamespace(
            ego_pose=local[number],
            ego_velocity=np.asarray(frame["ego_dynamic_state"][:2], dtype=np.float32),
            ego_acceleration=np.asarray(frame["ego_dynamic_state"][2:], dtype=np.float32),
            driving_command=frame["driving_command"],
        )
        for number, frame in enumerate(frames)
    ]
    cloud = read_pcd((blobs / frames[-1]["lidar_path"]).read_bytes())
    six = np.pad(cloud.T, ((0, 2), (0, 0)))
    wanted = ("CAM_F0", "CAM_L0", "CAM_R0") if with_images else ()
    cameras = {
        name.lower(): SimpleNamespace(
            image=np.array(Image.open(blobs / entry["data_path"])) if name in wanted else None,
            sensor2lidar_rotation=entry["sensor2lidar_rotation"],
            sensor2lidar_translation=entry["sensor2lidar_translation"],
            intrinsics=entry["cam_intrinsic"],
            distortion=entry["distortion"],
        )
        for name, entry in frames[-1]["cams"].items()
    }
    lidar = SimpleNamespace(lidar_pc=six if with_cloud else None)
    return SimpleNamespace(ego_statuses=statuses, cameras=[None] * 3 + [SimpleNamespace(**cameras)], lidars=[lidar])


def global_pose(frame: dict[str, Any], number: int) -> list[float]:
    x, y, _ = frame["ego2global_translation"]
    return [x, y, heading(number)]


def scene(log: Path) -> Any:
    """What the devkit gives a target builder."""
    frames = [
        SimpleNamespace(
            token=frame["token"],
            ego_status=SimpleNamespace(
                ego_pose=global_pose(frame, number),
                ego_velocity=frame["ego_dynamic_state"][:2],
                ego_acceleration=frame["ego_dynamic_state"][2:],
                driving_command=frame["driving_command"],
            ),
            annotations=SimpleNamespace(
                boxes=frame["anns"]["gt_boxes"],
                names=list(frame["anns"]["gt_names"]),
                velocity_3d=frame["anns"]["gt_velocity_3d"],
                track_tokens=frame["anns"]["track_tokens"],
            ),
        )
        for number, frame in enumerate(pickle.loads(log.read_bytes()))
    ]
    metadata = SimpleNamespace(num_history_frames=PRESENT + 1, map_name=PLACE)
    return SimpleNamespace(scene_metadata=metadata, frames=frames, get_agent_input=lambda: agent_input(log))


def test_only_the_frames_of_the_filter_become_samples(samples: SampleSet) -> None:
    (folder,) = samples.folders
    assert folder.meta["frames"] == [token_of(PRESENT), token_of(4)]
    assert folder.meta["counts"]["not in the scene filter"] == NUM_FRAMES - 2
    assert folder.meta["vehicle"]["wheelbase_m"] == pytest.approx(3.089)


def test_features_of_an_agent_equal_those_of_the_samples(log: Path, samples: SampleSet) -> None:
    snapshot, rig = snapshot_of(agent_input(log))
    builder = builder_for(TINY, rig)
    row = observation_row(snapshot, builder, builder.points(snapshot))
    stored = samples.gather(np.asarray([0]), tuple(row))
    for name, value in row.items():
        assert np.abs(value.astype(np.float64) - stored[name][0].astype(np.float64)).max() <= 1e-6, name
    assert row["camera_valid"].min() > 0.9 and row["lidar_valid"] == 1.0 and row["history_valid"].all()
    assert row["lidar"].sum() > 100 and not row["route_valid"].any()
    assert snapshot.command is DrivingCommand.STRAIGHT


def mirrored(agent: Any) -> Any:
    """The inputs of an agent with left and right exchanged."""
    flip_33, optical_33 = np.diag([1.0, -1.0, 1.0]), np.diag([-1.0, 1.0, 1.0])
    statuses = [
        SimpleNamespace(
            ego_pose=status.ego_pose * [1, -1, -1],
            ego_velocity=status.ego_velocity * [1, -1],
            ego_acceleration=status.ego_acceleration * [1, -1],
            driving_command=np.asarray(status.driving_command)[[2, 1, 0, 3]],
        )
        for status in agent.ego_statuses
    ]
    cameras = {}
    for name, camera in vars(agent.cameras[-1]).items():
        intrinsics_33, distortion_5 = np.array(camera.intrinsics), np.array(camera.distortion)
        if camera.image is not None:
            intrinsics_33[0, 2] = camera.image.shape[1] - intrinsics_33[0, 2]
        distortion_5[3] *= -1.0  # p2
        cameras[name.translate(str.maketrans("lr", "rl"))] = SimpleNamespace(
            image=None if camera.image is None else camera.image[:, ::-1],
            sensor2lidar_rotation=flip_33 @ camera.sensor2lidar_rotation @ optical_33,
            sensor2lidar_translation=flip_33 @ camera.sensor2lidar_translation,
            intrinsics=intrinsics_33,
            distortion=distortion_5,
        )
    six = agent.lidars[-1].lidar_pc * np.asarray([1.0, -1.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    return SimpleNamespace(
        ego_statuses=statuses,
        cameras=[None] * 3 + [SimpleNamespace(**cameras)],
        lidars=[SimpleNamespace(lidar_pc=six)],
    )


@pytest.mark.parametrize("seeing", ["cam_l0", "cam_f0", "cam_r0"])  # one at a time: where two see the same, one is used
def test_left_and_right_are_those_of_the_devkit(log: Path, seeing: str) -> None:
    """Mirrored inputs become the mirrored features that training learns mirrored plans from."""
    agent = agent_input(log)
    for name, camera in vars(agent.cameras[-1]).items():
        camera.image = camera.image if name == seeing else None
    agent.ego_statuses[-1].driving_command = np.asarray([1, 0, 0, 0])  # left, in the devkit's order
    agent.ego_statuses[-1].ego_velocity[1] = 0.5  # to the left
    agent.lidars[-1].lidar_pc = agent.lidars[-1].lidar_pc[:, agent.lidars[-1].lidar_pc[1] > 0.0]
    agent.lidars[-1].lidar_pc[1] += 0.07  # the walls are on the edge of a cell
    rows = []
    for inputs in (agent, mirrored(agent)):
        snapshot, rig = snapshot_of(inputs)
        builder = builder_for(TINY, rig)
        rows.append(observation_row(snapshot, builder, builder.points(snapshot)))
    plain, flipped = ({name: np.asarray(value)[None] for name, value in row.items()} for row in rows)
    assert plain["status"][0, DrivingCommand.LEFT] == 1.0 and flipped["status"][0, DrivingCommand.RIGHT] == 1.0
    cells = plain["lidar"].sum(axis=(0, 1, 2))
    assert cells[: len(cells) // 2].sum() == cells.sum() > 100  # column 0 is left
    expected = mirror(plain, np.asarray([True]))
    for name, value in flipped.items():
        away = np.abs(value.astype(np.float64) - expected[name].astype(np.float64))
        assert np.mean(away > 1e-5) < 0.005, name  # some are still on an edge


def test_labels_of_a_scene_equal_those_of_the_samples(
    log: Path, samples: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(log.parents[2] / "maps"))
    labels = labels_of(scene(log), TINY)
    stored = samples.gather(np.asarray([0]), tuple(labels))
    for name, value in labels.items():  # scenes give poses in the plane, logs with roll and pitch
        away = np.abs(value.astype(np.float64) - stored[name][0].astype(np.float64))
        assert (away.max() < 0.02) if value.dtype.kind == "f" else (np.mean(away > 0.0) < 0.05), name
    assert labels["plan"][-1] == pytest.approx([32.0, 0.0, 0.0], abs=0.5)
    assert labels["gt_agents_valid"].sum() == 2 and labels["bev_valid"]
    assert {1, 3, 4} <= set(np.unique(labels["bev"]))


def test_the_planner_plans_from_an_agents_inputs(log: Path) -> None:
    for with_cloud in (True, False):
        snapshot, rig = snapshot_of(agent_input(log, with_cloud=with_cloud))
        config = PlannerConfig(num_threads=1, require_lidar=with_cloud, num_candidates=4)
        trajectory = Planner.load(model_folder("tiny"), rig, config).plan(snapshot).trajectory
        assert (trajectory.x_m_T[0], trajectory.y_m_T[0]) == (0.0, 0.0)
        assert trajectory.time_s_T[-1] == pytest.approx(4.0)
        assert trajectory.x_m_T[-1] > 5.0


def test_an_agent_without_images_is_refused(log: Path) -> None:
    with pytest.raises(InputError, match="request them"):
        snapshot_of(agent_input(log, with_images=False))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tokens: 3\n", "a list"),
        ("[1]\n", "expected the keys"),
        ("log_names: [other]\n", "selects none"),
        ("a: [\n", "YAML"),
    ],
)
def test_a_filter_that_is_none_is_named(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, named: str
) -> None:
    file = tmp_path / "filter.yaml"
    file.write_text(text)
    assert main(["dataset", str(log), "--out", str(tmp_path / "out"), "--scene-filter", str(file)]) == 2
    assert named in capsys.readouterr().err


def test_samples_are_counted_without_being_made_again(samples: SampleSet) -> None:
    meta = json.loads((samples.folders[0].path / "meta.json").read_text())
    assert meta["counts"]["samples"] == len(samples) == 2
