"""Simulated vehicle with planner and tracker: the demo without report, for RViz or Foxglove."""

from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.substitutions import ExecutableInPackage

from launch import LaunchDescription


def generate_launch_description():
    """Start the simulator and include carla.launch.py."""
    arguments = [
        DeclareLaunchArgument(
            "seed", default_value="8003", description="scenario seed: determines map, traffic and weather"
        ),
        DeclareLaunchArgument("duration", default_value="60", description="seconds of driving"),
    ]
    simulator = ExecuteProcess(
        cmd=[
            ExecutableInPackage(package="transdiffuser_planner", executable="transdiffuser"),
            "simulate",
            "--seed",
            LaunchConfiguration("seed"),
            "--duration",
            LaunchConfiguration("duration"),
        ],
        output="screen",
        on_exit=Shutdown(reason="the drive has ended"),
    )
    vehicle = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([ThisLaunchFileDir(), "carla.launch.py"]))
    )
    return LaunchDescription([*arguments, simulator, vehicle])
