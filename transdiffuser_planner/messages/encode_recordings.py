"""Messages that recordings hold and the simulator does not publish: image files and static transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from transdiffuser_planner.messages.definitions import MessageFactory
from transdiffuser_planner.messages.encode_inputs import header, vector3

TF_STATIC = "/tf_static"


def compressed_image(make: MessageFactory, stamp_ns: int, frame_id: str, data: bytes) -> Any:
    """sensor_msgs/CompressedImage of a JPEG or PNG file."""
    return make(
        "sensor_msgs/msg/CompressedImage",
        header=header(make, stamp_ns, frame_id),
        format="png" if data.startswith(b"\x89PNG") else "jpeg",
        data=np.frombuffer(data, dtype=np.uint8),
    )


def static_transforms(
    make: MessageFactory, stamp_ns: int, parent: str, children: Mapping[str, NDArray[np.float64]]
) -> Any:
    """tf2_msgs/TFMessage from the 4x4 transforms of points from each child frame into the parent."""
    transforms = []
    for child, matrix in children.items():
        x, y, z, w = (float(value) for value in Rotation.from_matrix(matrix[:3, :3]).as_quat())
        transform = make(
            "geometry_msgs/msg/Transform",
            translation=vector3(make, *matrix[:3, 3]),
            rotation=make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )
        head = header(make, stamp_ns, parent)
        transforms.append(
            make("geometry_msgs/msg/TransformStamped", header=head, child_frame_id=child, transform=transform)
        )
    return make("tf2_msgs/msg/TFMessage", transforms=transforms)
