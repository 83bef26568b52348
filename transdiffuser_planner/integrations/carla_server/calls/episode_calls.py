"""Calls about server, episode, settings, map, weather and Traffic Managers."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.integrations.carla_server.calls.registry import Registry, flag
from transdiffuser_planner.integrations.carla_server.live_world import MAX_STEP_S, SNAPSHOT_STREAM, Settings, World
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.protocol.streams import token
from transdiffuser_planner.integrations.carla_server.world import blueprints, weather
from transdiffuser_planner.integrations.carla_server.world.frames import number
from transdiffuser_planner.integrations.carla_server.world.town import (
    UPLOADED_MAP,
    load_town,
    map_of_client,
    uploaded_town,
)

CARLA_VERSION = "0.9.16"
MAP_FOLDER = "Carla/Maps/"
episode = Registry()


@episode.value
def version(_: World) -> str:
    """Version whose protocol this is."""
    return CARLA_VERSION


@episode.value
def get_episode_info(world: World) -> list[Any]:
    """Number of the episode and token of its snapshots."""
    return [world.episode_id, [token(SNAPSHOT_STREAM, world.port)]]


@episode.value
def get_sensor_token(world: World, stream_id: Any) -> list[Any]:
    """Token of a stream.

    Raises:
        CallError: The arguments are malformed.
    """
    if isinstance(stream_id, bool) or not isinstance(stream_id, int) or not 0 <= stream_id < 1 << 32:
        raise CallError("get_sensor_token: unknown stream")
    return [token(stream_id, world.port)]


@episode.value
def get_episode_settings(world: World) -> list[Any]:
    """Settings in the order of ``rpc/EpisodeSettings.h``."""
    settings = world.settings
    step = [False] if settings.step_s is None else [True, settings.step_s]
    return [settings.synchronous, settings.no_rendering, step, *settings.others]


@episode.value
def set_episode_settings(world: World, values: Any) -> int:
    """Change settings; the value is the number of the present frame.

    Raises:
        CallError: The arguments are malformed.
    """
    if not isinstance(values, list) or not 3 <= len(values) <= 11:
        raise CallError("set_episode_settings: expected the 11 values of CARLA 0.9.16")
    step = values[2]
    if not isinstance(step, list) or not step or not isinstance(step[0], bool):
        raise CallError("set_episode_settings: fixed_delta_seconds: expected a number or none")
    step_s = number(step[1], "fixed_delta_seconds", 0.0, MAX_STEP_S) if step[0] and len(step) > 1 else 0.0
    for value in values[3:]:
        if not isinstance(value, (bool, int, float)):
            raise CallError("set_episode_settings: expected numbers")
    world.settings = Settings(
        synchronous=flag(values[0], "synchronous_mode"),
        no_rendering=flag(values[1], "no_rendering_mode"),
        step_s=step_s or None,
        others=(*values[3:], *Settings().others[len(values) - 3 :]),
    )
    return world.frame


@episode.value
def tick_cue(world: World) -> int:
    """Advance one tick."""
    return world.tick()


@episode.value
def get_available_maps(world: World) -> list[str]:
    """The map that the server was started with; others are loaded by name (docs/how-to/carla-server.md)."""
    names = {world.own_name, world.town.name}
    return [f"/Game/{MAP_FOLDER}{name}" for name in sorted(names)]


@episode.void
def load_new_episode(world: World, name: Any, reset_settings: Any = True, _layers: Any = 0) -> None:
    """Load a map by its name, or the OpenDRIVE map that the client has sent."""
    if name == UPLOADED_MAP and world.uploaded_opendrive:
        world.load(uploaded_town(world.uploaded_opendrive), reset_settings=flag(reset_settings, "reset_settings"))
        return
    map_name = map_of_client(name, world.own_map)
    town = world.town if map_name == world.town.map_name else load_town(map_name)
    world.load(town, reset_settings=flag(reset_settings, "reset_settings"))


@episode.value
def get_map_info(world: World) -> list[Any]:
    """Name of the map and its spawn points."""
    return [MAP_FOLDER + world.town.name, [point.packed() for point in world.town.spawn_points]]


@episode.value
def get_map_data(world: World) -> str:
    """OpenDRIVE text of the map."""
    return world.town.opendrive


@episode.value
def get_required_files(_: World, _folder: Any = "") -> list[str]:
    """Files of the map that the client keeps; none, the text comes by ``get_map_data``."""
    return []


@episode.value
def get_navigation_mesh(_: World) -> bytes:
    """Mesh for walkers; none."""
    return b""


@episode.value
def get_actor_definitions(_: World) -> list[Any]:
    """All blueprints."""
    return list(blueprints.definitions())


@episode.value
def get_spectator(world: World) -> list[Any]:
    """The free viewpoint."""
    return world.spectator.packed()


@episode.value
def get_weather_parameters(world: World) -> list[float]:
    """Present weather."""
    return list(world.weather)


@episode.void
def set_weather_parameters(world: World, values: Any) -> None:
    """Change the weather."""
    world.weather = weather.parse(values)


@episode.value
def is_traffic_manager_running(world: World, port: Any) -> bool:
    """Whether a client has a Traffic Manager at a port."""
    return port in world.traffic_managers


@episode.value
def get_traffic_manager_running(world: World, port: Any) -> list[Any]:
    """Where a Traffic Manager is reached."""
    return list(world.traffic_managers.get(port, ("", 0)))


@episode.value
def add_traffic_manager_running(world: World, info: Any) -> bool:
    """Remember a client's Traffic Manager; false where another has the port.

    Raises:
        CallError: The arguments are malformed.
    """
    if not isinstance(info, list) or len(info) != 2 or not isinstance(info[0], str) or not isinstance(info[1], int):
        raise CallError("add_traffic_manager_running: expected address and port")
    if info[1] in world.traffic_managers or len(world.traffic_managers) >= 100:
        return False
    world.traffic_managers[info[1]] = (info[0][:64], info[1])
    return True


@episode.void
def destroy_traffic_manager(world: World, port: Any) -> None:
    """Forget a client's Traffic Manager."""
    world.traffic_managers.pop(port if isinstance(port, int) else -1, None)


@episode.value
def query_lights_state(_: World, _client: Any = "") -> list[Any]:
    """Street lights; there are none."""
    return []


@episode.void
def update_lights_state(_: World, _client: Any, _lights: Any, _discard: Any = False) -> None:
    """Street lights; there are none to change."""


@episode.void
def update_day_night_cycle(_: World, _client: Any, _active: Any) -> None:
    """Street lights by daylight; there are none."""


@episode.void
def draw_debug_shape(_: World, _shape: Any) -> None:
    """Lines and text in CARLA's window; there is no window."""


@episode.value
def is_sensor_enabled_for_ros(_: World, _stream: Any) -> bool:
    """Whether the server publishes a sensor on ROS 2; it never does, the project's own simulator node is for that."""
    return False
