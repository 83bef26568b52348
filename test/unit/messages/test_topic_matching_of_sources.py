"""Bags with the topic names of known sources are mapped without options.

The names are copied from the sources and not from the presets: a preset that drifts away from its source is noticed here.
"""

import pytest

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.messages.topic_matching import choose

IMAGE, JPEG, INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))
CLOUD, ODOMETRY, PATH = "sensor_msgs/msg/PointCloud2", "nav_msgs/msg/Odometry", "nav_msgs/msg/Path"
IMU, FIX, TF = "sensor_msgs/msg/Imu", "sensor_msgs/msg/NavSatFix", "tf2_msgs/msg/TFMessage"
OBJECTS, ACCEL = "derived_object_msgs/msg/ObjectArray", "geometry_msgs/msg/AccelWithCovarianceStamped"

# carla-simulator/ros-bridge: docs/ros_sensors.md, with the sensors of carla_spawn_objects/config/objects.json.
BRIDGE = {
    "/carla/ego_vehicle/rgb_front/image": IMAGE, "/carla/ego_vehicle/rgb_front/camera_info": INFO,
    "/carla/ego_vehicle/rgb_view/image": IMAGE, "/carla/ego_vehicle/rgb_view/camera_info": INFO,
    "/carla/ego_vehicle/depth_front/image": IMAGE, "/carla/ego_vehicle/depth_front/camera_info": INFO,
    "/carla/ego_vehicle/dvs_front/events": CLOUD, "/carla/ego_vehicle/lidar": CLOUD,
    "/carla/ego_vehicle/semantic_lidar": CLOUD, "/carla/ego_vehicle/radar_front": CLOUD,
    "/carla/ego_vehicle/imu": IMU, "/carla/ego_vehicle/gnss": FIX, "/carla/ego_vehicle/odometry": ODOMETRY,
    "/carla/ego_vehicle/objects": OBJECTS, "/carla/ego_vehicle/waypoints": PATH,
    "/carla/ego_vehicle/speedometer": "std_msgs/msg/Float32", "/carla/objects": OBJECTS, "/clock": "rosgraph_msgs/msg/Clock",
    "/carla/map": "std_msgs/msg/String", "/tf": TF,
}  # fmt: skip

# carla-simulator/carla: LibCarla/source/carla/ros2; clouds on the sensor's own name, later on .../point_cloud. The odometry is
# the user's: released versions publish none.
NATIVE = {
    "/carla/hero/rgb_front/image": IMAGE, "/carla/hero/rgb_front/camera_info": INFO, "/carla/hero/lidar": CLOUD,
    "/carla/hero/imu": IMU, "/carla/hero/gnss": FIX, "/carla/map": "std_msgs/msg/String", "/tf": TF,
    "/clock": "rosgraph_msgs/msg/Clock", "/carla/hero/odometry": ODOMETRY,
}  # fmt: skip
NATIVE_LATER = {topic.replace("/lidar", "/lidar/point_cloud"): kind for topic, kind in NATIVE.items()}

# autoware-documentation: design/autoware-interfaces; cameras as TIER IV's recordings have them.
AUTOWARE = {
    "/localization/kinematic_state": ODOMETRY, "/localization/acceleration": ACCEL,
    "/localization/pose_estimator/pose_with_covariance": "geometry_msgs/msg/PoseWithCovarianceStamped",
    "/sensing/lidar/concatenated/pointcloud": CLOUD, "/sensing/lidar/top/pointcloud_raw_ex": CLOUD,
    "/sensing/camera/camera0/image_rect_color/compressed": JPEG, "/sensing/camera/camera0/camera_info": INFO,
    "/sensing/camera/camera1/image_rect_color/compressed": JPEG, "/sensing/camera/camera1/camera_info": INFO,
    "/sensing/imu/tamagawa/imu_raw": IMU, "/tf": TF, "/tf_static": TF,
    "/planning/mission_planning/route": "autoware_planning_msgs/msg/LaneletRoute",
}  # fmt: skip
AUTOWARE_RAW = {topic.removesuffix("/compressed"): IMAGE if kind == JPEG else kind for topic, kind in AUTOWARE.items()}

# foxglove/nuscenes2mcap: convert_to_mcap.py, in capitals until its move to Foxglove's SDK, in small letters since.
_NUSCENES_CAMERAS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "BACK", "BACK_LEFT", "BACK_RIGHT")
NUSCENES = {f"/CAM_{name}/image_rect_compressed": JPEG for name in _NUSCENES_CAMERAS}
NUSCENES |= {f"/CAM_{name}/camera_info": INFO for name in _NUSCENES_CAMERAS}
NUSCENES |= {"/LIDAR_TOP": CLOUD, "/RADAR_FRONT": CLOUD, "/odom": ODOMETRY, "/imu": IMU, "/gps": FIX, "/tf": TF,
             "/drivable_area": "nav_msgs/msg/OccupancyGrid", "/map": "nav_msgs/msg/OccupancyGrid"}  # fmt: skip
NUSCENES_LATER = {topic.lower(): kind for topic, kind in NUSCENES.items()}

# tomas789/kitti2bag, klintan/kitti2bag2 and lucas-yyy000/kitti2mcap (raw_synced): kitti2bag.py. They write no odometry.
_KITTI_CAMERAS = ("camera_gray_left", "camera_gray_right", "camera_color_left", "camera_color_right")
KITTI_TOOL = {f"/kitti/{name}/image_raw": IMAGE for name in _KITTI_CAMERAS}
KITTI_TOOL |= {f"/kitti/{name}/camera_info": INFO for name in _KITTI_CAMERAS}
KITTI_TOOL |= {"/kitti/velo/pointcloud": CLOUD, "/kitti/oxts/imu": IMU, "/kitti/oxts/gps/fix": FIX, "/tf": TF,
               "/kitti/oxts/gps/vel": "geometry_msgs/msg/TwistStamped", "/tf_static": TF}  # fmt: skip

# The recording in ../shared/data.
KITTI = {"/kitti/camera_color/image/compressed": JPEG, "/kitti/camera_color/camera_info": INFO,
         "/kitti/velo/points": CLOUD, "/kitti/odometry": ODOMETRY, "/tf_static": TF}  # fmt: skip


@pytest.mark.parametrize(
    ("held", "preset", "cloud", "image"),
    [
        (BRIDGE, "carla", "/carla/ego_vehicle/lidar", "/carla/ego_vehicle/rgb_front/image"),
        (NATIVE, "carla_native", "/carla/hero/lidar", "/carla/hero/rgb_front/image"),
        (NATIVE_LATER, "carla_native", "/carla/hero/lidar/point_cloud", "/carla/hero/rgb_front/image"),
        (
            AUTOWARE,
            "autoware",
            "/sensing/lidar/concatenated/pointcloud",
            "/sensing/camera/camera0/image_rect_color/compressed",
        ),
        (
            AUTOWARE_RAW,
            "autoware",
            "/sensing/lidar/concatenated/pointcloud",
            "/sensing/camera/camera0/image_rect_color",
        ),
        (NUSCENES, "nuscenes", "/LIDAR_TOP", "/CAM_FRONT/image_rect_compressed"),
        (NUSCENES_LATER, "nuscenes", "/lidar_top", "/cam_front/image_rect_compressed"),
        (KITTI, "kitti", "/kitti/velo/points", "/kitti/camera_color/image/compressed"),
        (
            KITTI_TOOL | {"/kitti/odometry": ODOMETRY},
            "kitti2bag",
            "/kitti/velo/pointcloud",
            "/kitti/camera_color_left/image_raw",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value else "",
)
@pytest.mark.parametrize("has_preset", [False, True])
def test_a_sources_own_names_are_mapped(held, preset, cloud, image, has_preset):
    choice = choose(held, "bag x", preset=preset if has_preset else None)
    assert choice.name == preset
    topics = choice.topics
    assert topics.lidar == cloud and image in topics.images.values()
    assert held[topics.odometry] == ODOMETRY
    front = next(camera for camera, topic in topics.images.items() if topic == image)
    assert held[topics.camera_infos[front]] == INFO


def test_all_three_front_cameras_of_nuscenes_are_read():
    for held in (NUSCENES, NUSCENES_LATER):
        assert set(choose(held, "bag x").topics.images.values()) <= set(held)


def test_ground_truth_of_the_bridge_is_read_for_the_metrics():
    assert choose(BRIDGE, "bag x").topics.objects == "/carla/objects"


@pytest.mark.parametrize(
    "held", [KITTI_TOOL, {t: k for t, k in NATIVE.items() if k != ODOMETRY}], ids=["kitti", "carla_native"]
)
def test_a_source_without_odometry_is_refused_for_that_reason(held):
    with pytest.raises(InputError, match="no nav_msgs/Odometry, without which nothing can be planned"):
        choose(held, "bag x")


def test_a_name_of_the_preset_comes_before_its_aliases():
    both = BRIDGE | {"/carla/ego_vehicle/rgb_front/image/compressed": JPEG, "/CARLA/EGO_VEHICLE/LIDAR": CLOUD}
    topics = choose(both, "bag x").topics
    assert topics.images["rgb_front"] == "/carla/ego_vehicle/rgb_front/image"
    assert topics.lidar == "/carla/ego_vehicle/lidar"


def test_compressed_images_alone_are_used_and_two_aliases_are_ambiguous():
    raw = "/carla/ego_vehicle/rgb_front/image"
    held = {topic: kind for topic, kind in BRIDGE.items() if topic != raw} | {f"{raw}/compressed": JPEG}
    choice = choose(held, "bag x")
    assert choice.topics.images["rgb_front"] == f"{raw}/compressed" and "spelled otherwise" in choice.why
    two = choose(held | {f"{raw.upper()}": IMAGE}, "bag x").topics
    assert two.images["rgb_front"] == raw
