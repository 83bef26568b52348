"""Ground truth of the cameras' pixels: the class of what each ray hits, as an image of the camera's size.

Rays are cast apart from those of the images: labels are recorded only where requested, and lens effects on an image do not
change what its pixels show. R rays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.core.view_semantics import ViewClass
from transdiffuser_planner.simulation.sensors.body_attitude import LEVEL, BodyAttitude
from transdiffuser_planner.simulation.sensors.camera import AGENT_RANGE_M, directions
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene, turned


class LabelCamera:
    """Labels of all cameras of a rig.

    Args:
        cameras: Of the rig.
    """

    def __init__(self, cameras: tuple[CameraMount, ...]) -> None:
        self._cameras = [(camera, directions(camera)) for camera in cameras]

    def render(
        self,
        static: RayScene,
        traffic: RayScene | None,
        base_pose_3: tuple[float, float, float],
        body: BodyAttitude = LEVEL,
    ) -> dict[str, NDArray[np.uint8]]:
        """Render all cameras.

        Args:
            static: The static world.
            traffic: Agents in the same frame, or None.
            base_pose_3: x, y, heading of base_link in that frame.
            body: Height, roll and pitch of base_link.

        Returns:
            Camera name -> ViewClass (H, W); the sky is REST.
        """
        turn = body.turn(base_pose_3[2]).astype(np.float32)
        labels = {}
        for camera, direction_R3 in self._cameras:
            direction = turned(direction_R3, turn)
            position = turned(camera.base_from_sensor()[None, :3, 3].astype(np.float32), turn)[0]
            position += np.asarray([base_pose_3[0], base_pose_3[1], body.z_m], dtype=np.float32)
            origin = np.broadcast_to(position, direction.shape)
            hits = static.cast(origin, direction)
            label_R = np.where(hits.triangle_R >= 0, static.class_F[hits.triangle_R], np.uint8(ViewClass.REST))
            if traffic is not None:
                near = traffic.cast(origin, direction, np.minimum(hits.distance_R, np.float32(AGENT_RANGE_M)))
                label_R = np.where(near.triangle_R >= 0, traffic.class_F[near.triangle_R], label_R)
            labels[camera.name] = label_R.astype(np.uint8).reshape(camera.height, camera.width)
        return labels
