"""Labels of a NAVSIM scene in the form of this package's samples. Needs no devkit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.types import SensorSnapshot
from transdiffuser_planner.data.logs.openscene.boxes import read_boxes
from transdiffuser_planner.data.logs.openscene.ego import ego_states
from transdiffuser_planner.data.logs.openscene.frames import INTERVAL_NS, OpenSceneFrame, command_of
from transdiffuser_planner.data.logs.openscene.maps import map_file, read_city
from transdiffuser_planner.data.logs.poses import transforms
from transdiffuser_planner.data.logs.tracks import EgoTrack
from transdiffuser_planner.data.samples.bev_labels import BevPainter
from transdiffuser_planner.data.samples.sample_rows import Row, label_row, plan_row
from transdiffuser_planner.integrations.navsim.agent_inputs import NOW_NS, builder_for, snapshot_of


def labels_of(scene: Any, contract: ModelContract) -> Row:
    """Return the labels of a scene.

    Args:
        scene: The devkit's ``Scene`` with future frames and annotations.
        contract: Sizes of the tensors.

    Returns:
        Arrays as in ``data.samples.sample_set.sample_specs``; the plan is masked where the future is none that is taught.
    """
    present = scene.scene_metadata.num_history_frames - 1
    frames = [_frame(frame, number - present) for number, frame in enumerate(scene.frames)]
    origin_3 = np.round(frames[present].utm_from_axle_44[:3, 3])
    track = EgoTrack(ego_states(frames, origin_3))
    labeled = [(f.stamp_ns, f.utm_from_axle_44, f.annotations) for f in frames if f.annotations is not None]
    tracks, _ = read_boxes(labeled, origin_3)
    snapshot, rig = snapshot_of(scene.get_agent_input())
    points_N3 = builder_for(contract, rig).points(snapshot)
    snapshot = _in_frame(snapshot, track)
    plan = plan_row(track, snapshot, contract)
    if isinstance(plan, str):
        steps = contract.num_plan_steps
        plan = {"plan": np.zeros((steps, 3), dtype=np.float32), "plan_valid": np.zeros(steps, dtype=np.bool_)}
    xy_2 = frames[present].utm_from_axle_44[:2, 3]
    pieces = read_city(map_file(str(scene.scene_metadata.map_name))).around(xy_2, xy_2, origin_3[:2])
    return plan | label_row(snapshot, contract, points_N3, tracks, BevPainter(pieces, contract))


def _in_frame(snapshot: SensorSnapshot, track: EgoTrack) -> SensorSnapshot:
    """The snapshot with the ego in the frame of the track."""
    ego = next(state for state in track.states if state.stamp_ns == NOW_NS)
    return replace(snapshot, ego=ego)


def _frame(frame: Any, number: int) -> OpenSceneFrame:
    """One frame, in the plane; 0 is the present one."""
    x_m, y_m, heading_rad = (float(value) for value in frame.ego_status.ego_pose)
    wxyz_4 = np.asarray([np.cos(heading_rad / 2.0), 0.0, 0.0, np.sin(heading_rad / 2.0)])
    vx, vy = (float(value) for value in frame.ego_status.ego_velocity)
    ax, ay = (float(value) for value in frame.ego_status.ego_acceleration)
    boxes = frame.annotations
    return OpenSceneFrame(
        token=str(frame.token),
        stamp_ns=NOW_NS + number * INTERVAL_NS,
        is_first=False,
        utm_from_axle_44=transforms(wxyz_4[None], np.asarray([[x_m, y_m, 0.0]]))[0],
        velocity_2=(vx, vy),
        acceleration_2=(ax, ay),
        command=command_of(frame.ego_status.driving_command),
        annotations=None if boxes is None else _annotations(boxes),
    )


def _annotations(boxes: Any) -> dict[str, NDArray[Any] | list[str]]:
    return {
        "gt_boxes": boxes.boxes,
        "gt_names": boxes.names,
        "gt_velocity_3d": boxes.velocity_3d,
        "track_tokens": boxes.track_tokens,
    }
