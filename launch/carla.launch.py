"""Planner and tracker for CARLA behind its ROS bridge; the simulator of this package publishes the same topics."""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node

from launch import LaunchDescription


def generate_launch_description():
    """Two nodes on simulated time."""
    params = DeclareLaunchArgument(
        "params",
        default_value=PathJoinSubstitution([ThisLaunchFileDir(), "carla.params.yaml"]),
        description="parameter file of the planner",
    )
    planner = Node(
        package="transdiffuser_planner",
        executable="transdiffuser",
        arguments=["plan", "--preset", "carla"],
        parameters=[LaunchConfiguration("params"), {"use_sim_time": True}],
        output="screen",
    )
    tracker = Node(
        package="transdiffuser_planner",
        executable="transdiffuser",
        arguments=["track", "--preset", "carla"],
        parameters=[{"use_sim_time": True}],
        output="screen",
    )
    return LaunchDescription([params, planner, tracker])
