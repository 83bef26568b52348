"""Connection to a CARLA server: versions, map, synchronous mode, and everything as it was at the end."""

from __future__ import annotations

from types import ModuleType, TracebackType
from typing import Any

from transdiffuser_planner.core.errors import ConfigError, SimulationError

TICK_S = 0.05
INSTALL = "pip install carla==0.9.16, in the version of the server"


def carla_package() -> ModuleType:
    """Import CARLA's package.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import carla
    except ImportError as error:
        raise ConfigError(f"CARLA's Python package cannot be imported ({error}); {INSTALL}") from None
    if not hasattr(carla, "Client"):
        raise ConfigError(f"the module 'carla' is not CARLA's Python package; {INSTALL}")
    return carla  # type: ignore[no-any-return]


class Connection:
    """Connection in synchronous mode. Use as a context manager; actors added to ``actors`` are destroyed at the end.

    Args:
        host: Of the server.
        port: Of the server.
        town: Map to load; None for the one that is loaded.
        timeout_s: For every call.

    Attributes:
        client, world, town: carla.Client, carla.World, carla.Map; set on entry.
        actors: To destroy, in order of creation.
        traffic_manager: carla.TrafficManager that drives some of them; None without traffic.
    """

    def __init__(self, host: str, port: int, town: str | None, timeout_s: float) -> None:
        self._carla = carla_package()
        self._host, self._port, self._town, self._timeout_s = host, port, town, timeout_s
        self.client: Any = None
        self.world: Any = None
        self.town: Any = None
        self.actors: list[Any] = []
        self.traffic_manager: Any = None
        self._settings: Any = None
        self._is_lost = False

    def __enter__(self) -> Connection:
        """Connect, load the map and begin synchronous mode.

        Raises:
            ConfigError: Server and package are of different versions, or the map is unknown.
            SimulationError: There is no answer.
        """
        carla = self._carla
        try:
            self.client = carla.Client(self._host, self._port)
            self.client.set_timeout(self._timeout_s)
            self._check_version()
            self.world = self._load()
            self.town = self.world.get_map()
            self._settings = self.world.get_settings()
            settings = self.world.get_settings()
            settings.synchronous_mode, settings.fixed_delta_seconds = True, TICK_S
            self.world.apply_settings(settings)
        except RuntimeError as error:
            raise SimulationError(f"CARLA at {self._host}:{self._port}: {_line(error)}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Destroy the actors and restore the settings; a server that is gone is left alone."""
        if self._is_lost:
            return
        try:
            if self.traffic_manager is not None:  # its thread ends the process where it meets a destroyed vehicle
                self.traffic_manager.shut_down()
            for actor in reversed(self.actors):
                if _is_listening(actor):
                    actor.stop()
                if actor.is_alive:
                    actor.destroy()
            if self._settings is not None:
                self.world.apply_settings(self._settings)
        except RuntimeError:
            self._is_lost = True

    def _check_version(self) -> None:
        """Compare the versions of server and package.

        Raises:
            ConfigError: They differ in more than the last number.
        """
        ours, theirs = self.client.get_client_version(), self.client.get_server_version()
        if _release(ours) != _release(theirs):
            raise ConfigError(
                f"CARLA at {self._host}:{self._port} is version {theirs}, the Python package {ours}: "
                f"install the package of the server's version (pip install carla=={_release(theirs)})"
            )

    def _load(self) -> Any:
        """carla.World with the map.

        Raises:
            ConfigError: The server does not have it.
        """
        world = self.client.get_world()
        loaded = _short(world.get_map().name)
        if self._town is None or self._town == loaded:
            return world
        known = sorted(_short(name) for name in self.client.get_available_maps())
        if self._town not in known:
            raise ConfigError(f"--map {self._town}: the server has {', '.join(known) or 'no maps'}")
        return self.client.load_world(self._town)

    def tick(self) -> Any:
        """Advance the world by one tick; returns its carla.WorldSnapshot.

        Raises:
            SimulationError: The server does not answer.
        """
        try:
            frame = self.world.tick(self._timeout_s)
            snapshot = self.world.get_snapshot()
        except RuntimeError as error:
            self._is_lost = True
            raise SimulationError(f"CARLA at {self._host}:{self._port}: {_line(error)}") from None
        if snapshot.frame != frame:
            raise SimulationError(
                f"CARLA at {self._host}:{self._port}: tick {frame} was answered with snapshot {snapshot.frame}; "
                "another client ticks this world, end it"
            )
        return snapshot


def _is_listening(actor: Any) -> bool:
    """Whether an actor is a sensor that listens; a property in earlier versions of the package."""
    found = getattr(actor, "is_listening", False)
    return bool(found() if callable(found) else found)


def _release(version: str) -> str:
    """Numbers of a version such as 0.9.16-dirty."""
    return version.partition("-")[0].strip()


def _short(name: str) -> str:
    """Town01 of Carla/Maps/Town01."""
    return name.rpartition("/")[2]


def _line(error: RuntimeError) -> str:
    """First line of an error of CARLA's package, with what to do."""
    text = (str(error).strip() or "no reason given").splitlines()[0]
    if "time-out" in text or "timeout" in text:
        return f"{text}; start the server, or give --host, --port or a longer --timeout"
    return text
