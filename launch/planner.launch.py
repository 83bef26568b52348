"""Planner node on a vehicle: topic map, rig and model are launch arguments and parameters."""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node

from launch import LaunchDescription


def generate_launch_description():
    """Start one node; every launch argument has a description (ros2 launch -s)."""
    arguments = [
        DeclareLaunchArgument(
            "params",
            default_value=PathJoinSubstitution([ThisLaunchFileDir(), "planner.params.yaml"]),
            description="parameter file of the planner",
        ),
        DeclareLaunchArgument(
            "topics",
            default_value=PathJoinSubstitution([ThisLaunchFileDir(), "topics_vehicle.yaml"]),
            description="topic map from inputs to topics of the vehicle",
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
        arguments=["plan", "--topics", LaunchConfiguration("topics")],
        parameters=[LaunchConfiguration("params"), {"use_sim_time": LaunchConfiguration("use_sim_time")}],
        output="screen",
        respawn=LaunchConfiguration("respawn"),
        respawn_delay=1.0,
    )
    return LaunchDescription([*arguments, planner])
