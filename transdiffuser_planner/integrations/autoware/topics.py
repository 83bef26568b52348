"""Autoware's names of the topics that only Autoware has; cameras, LiDAR and localization are in the preset ``autoware``.

Names and QoS are those of ``autoware_component_interface_specs`` and of Autoware's launch files: reliable with depth 1; the route
is transient local.
"""

from __future__ import annotations

from transdiffuser_planner.integrations.autoware.interface import versions
from transdiffuser_planner.messages.input_registry import InputQos

ROUTE_INPUT = "~/input/autoware/route"
LIGHTS_INPUT = "~/input/autoware/traffic_signals"
OBJECTS_INPUT = "~/input/autoware/tracked_objects"
LIMIT_INPUT = "~/input/autoware/max_velocity"

INPUTS: dict[str, tuple[str, str, InputQos]] = {
    ROUTE_INPUT: ("/planning/mission_planning/route", versions.ROUTE, InputQos.LATCHED),
    LIGHTS_INPUT: (
        "/perception/traffic_light_recognition/traffic_signals",
        versions.TRAFFIC_LIGHTS,
        InputQos.SENSOR,
    ),
    OBJECTS_INPUT: (
        "/perception/object_recognition/tracking/objects",
        versions.TRACKED_OBJECTS,
        InputQos.SENSOR,
    ),
    LIMIT_INPUT: ("/planning/scenario_planning/max_velocity", versions.VELOCITY_LIMIT, InputQos.RELIABLE),
}
"""Private topic -> (Autoware's topic, type, QoS)."""
OUTPUTS: dict[str, tuple[str, str]] = {
    "trajectory": ("/planning/trajectory", versions.TRAJECTORY),
    "candidate_trajectories": (
        "/planning/generator/transdiffuser_planner/candidate_trajectories",
        versions.CANDIDATES,
    ),
    "predicted_objects": ("/planning/transdiffuser_planner/predicted_objects", versions.PREDICTED_OBJECTS),
    "turn_indicators_cmd": ("/planning/turn_indicators_cmd", versions.TURN_INDICATORS),
    "planning_factors": ("/planning/planning_factors/transdiffuser_planner", versions.PLANNING_FACTORS),
}
"""Name below ``~/output/autoware`` -> (Autoware's topic, type)."""
OUTPUT_FOLDERS = {False: "~/output/autoware", True: "~/shadow/autoware"}
"""Whether in shadow mode -> where the outputs are."""


def autoware_remappings() -> list[tuple[str, str]]:
    """Return (private topic, Autoware's topic) of all of them; outputs in shadow mode stay private."""
    inputs = [(private, topic) for private, (topic, _, _) in INPUTS.items()]
    return inputs + [(f"{OUTPUT_FOLDERS[False]}/{name}", topic) for name, (topic, _) in OUTPUTS.items()]
