"""ROS messages to and from core types, without ROS, and which topic is which input. Imports core."""
