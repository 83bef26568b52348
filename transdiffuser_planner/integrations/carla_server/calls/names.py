"""Calls of CARLA 0.9.16's client that this world has no answer or no use for, by name."""

from __future__ import annotations

WITHOUT_EFFECT = (
    "add_actor_angular_impulse", "add_actor_force", "add_actor_force_at_location", "add_actor_impulse",
    "add_actor_impulse_at_location", "add_actor_torque", "apply_color_texture_to_objects",
    "apply_float_color_texture_to_objects", "blend_pose", "close_vehicle_door", "disable_sensor_for_ros",
    "enable_carsim", "enable_chrono_physics", "enable_environment_objects", "enable_sensor_for_ros",
    "get_pose_from_animation", "open_vehicle_door", "restore_physx_physics", "send", "set_actor_autopilot",
    "set_annotations_traverse_translucency", "set_bones_transform", "set_replayer_ignore_hero",
    "set_replayer_ignore_spectator", "set_replayer_time_factor", "set_wheel_pitch_angle", "set_wheel_steer_direction",
    "show_vehicle_debug_telemetry", "stop_recorder", "stop_replayer", "use_carsim_road",
)  # fmt: skip
"""Calls without a value that this world has nothing for; the first use of each is a line in the server's log."""
UNANSWERED = (
    "cast_ray", "get_actor_bone_names", "get_actor_bone_relative_transforms", "get_actor_bone_world_transforms",
    "get_actor_component_names", "get_actor_component_relative_transform", "get_actor_component_world_transform",
    "get_actor_socket_names", "get_actor_socket_relative_transforms", "get_actor_socket_world_transforms",
    "get_bones_transform", "get_gbuffer_token", "get_names_of_all_objects", "get_telemetry_data",
    "get_vehicle_bone_world_transforms", "replay_file", "request_file",
    "show_recorder_actors_blocked", "show_recorder_collisions", "show_recorder_file_info", "start_recorder",
)  # fmt: skip
"""Calls with a value that fail with a message that names them."""
