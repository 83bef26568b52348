"""Planner node on a vehicle with Autoware: its topics, messages and vector map."""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node

from launch import LaunchDescription


def generate_launch_description():
    """Start one node; every launch argument has a description (ros2 launch -s)."""
    arguments = [
        DeclareLaunchArgument(
            "map", default_value="", description="vector map: the .osm file that Autoware's map loader reads"
        ),
        DeclareLaunchArgument(
            "params",
            default_value=PathJoinSubstitution([ThisLaunchFileDir(), "autoware.params.yaml"]),
            description="parameter file of the planner; names model and rig",
        ),
        DeclareLaunchArgument(
            "topics",
            default_value=PathJoinSubstitution([ThisLaunchFileDir(), "topics_autoware.yaml"]),
            description="topic map of cameras, LiDAR and localization",
        ),
        DeclareLaunchArgument(
            "agents", default_value="own", description="own detections, or Autoware's tracked objects: own, tracked"
        ),
        DeclareLaunchArgument(
            "trajectory", default_value="/planning/trajectory", description="topic of the published Trajectory"
        ),
        DeclareLaunchArgument("namespace", default_value="", description="namespace of the node, for several vehicles"),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="take time from /clock"),
        DeclareLaunchArgument(
            "respawn", default_value="true", description="start the node again when its process ends"
        ),
    ]
    planner = Node(
        package="transdiffuser_planner",
        executable="transdiffuser",
        namespace=LaunchConfiguration("namespace"),
        arguments=[
            "autoware",
            "--map",
            LaunchConfiguration("map"),
            "--topics",
            LaunchConfiguration("topics"),
            "--agents",
            LaunchConfiguration("agents"),
            "--trajectory",
            LaunchConfiguration("trajectory"),
        ],
        parameters=[LaunchConfiguration("params"), {"use_sim_time": LaunchConfiguration("use_sim_time")}],
        output="screen",
        respawn=LaunchConfiguration("respawn"),
        respawn_delay=1.0,
    )
    return LaunchDescription([*arguments, planner])
