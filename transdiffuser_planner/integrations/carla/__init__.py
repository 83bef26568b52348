"""CARLA through its ROS bridge. Imports ros and messages."""
