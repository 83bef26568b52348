"""Which message types each of the planner's inputs is read from."""

from __future__ import annotations

PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPES = ("sensor_msgs/msg/CameraInfo",)
INPUT_TYPES = {
    "lidar": ("sensor_msgs/msg/PointCloud2",),
    "odometry": ("nav_msgs/msg/Odometry",),
    "acceleration": ("geometry_msgs/msg/AccelWithCovarianceStamped",),
    "route": ("nav_msgs/msg/Path",),
    "command": ("transdiffuser_msgs/msg/DrivingCommand",),
    "speed_limit": ("std_msgs/msg/Float32",),
    "traffic_signal": ("transdiffuser_msgs/msg/TrafficSignal",),
    "action_tokens": ("transdiffuser_msgs/msg/ActionTokens",),
}
TRUTH_TYPES = {
    "objects": ("derived_object_msgs/msg/ObjectArray",),
    "map": ("transdiffuser_msgs/msg/MapPolygons",),
}
