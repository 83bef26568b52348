"""CARLA's own ROS 2 interface (`--ros2`), without the bridge. Imports integrations.carla, messages and, in nodes, ros."""
