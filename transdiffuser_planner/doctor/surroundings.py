"""Checks what a container or a user without a home may not have: folders for logs, caches and temporary files, a network."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from transdiffuser_planner import NO_TELEMETRY
from transdiffuser_planner.core.files import cache_folder, why_not_writable
from transdiffuser_planner.doctor.findings import Finding, Findings

_FINDINGS = Findings("surroundings")
_SHARED_MEMORY: Final = Path("/dev/shm")
_MEGABYTE: Final = 1 << 20
_LITTLE_MB: Final = 200
_LITTLE_SHARED_MB: Final = 32
_SIOCGIFFLAGS: Final = 0x8913
_IS_UP, _IS_LOOPBACK = 0x1, 0x8
LOG_REMEDY: Final = "set ROS_LOG_DIR to a folder that can be written"
NETWORK_REMEDY: Final = (
    "ip link set lo up; in a container choose another network, or export FASTDDS_BUILTIN_TRANSPORTS=SHM for all nodes"
)


def check(environment: Mapping[str, str] | None = None, shared_memory: Path = _SHARED_MEMORY) -> Iterator[Finding]:
    """Check folders, limits and network.

    Args:
        environment: Environment variables; this process's by default.
        shared_memory: Folder of shared memory.

    Yields:
        Findings.
    """
    env = os.environ if environment is None else environment
    yield _logs(env)
    yield from _temporary_files(env)
    yield _cache()
    yield _file_size(resource.getrlimit(resource.RLIMIT_FSIZE)[0])
    yield _shared(shared_memory, env)
    yield _network(interfaces_up(), env)
    yield _telemetry(env)


def why_no_logs(environment: Mapping[str, str]) -> str:
    """Find out whether ROS 2 can log, which it needs to start: into $ROS_LOG_DIR, $ROS_HOME/log or ~/.ros/log.

    Args:
        environment: Environment variables.

    Returns:
        The folder and the reason, empty when it can.
    """
    folder = _log_folder(environment)
    if folder is None:
        return "HOME is not set, and no folder for logs either"
    reason = why_not_writable(folder, is_folder=True)
    return f"{folder} cannot be written ({reason})" if reason else ""


def why_no_network(environment: Mapping[str, str], interfaces: Mapping[str, bool] | None = None) -> str:
    """Find out whether nodes can find each other; even those of one computer need an interface for it.

    Args:
        environment: Environment variables.
        interfaces: As ``interfaces_up`` returns them; those of this computer by default.

    Returns:
        The reason, empty when they can or when it is unknown.
    """
    found = interfaces_up() if interfaces is None else interfaces
    own_profile = any(environment.get(f"{name}_DEFAULT_PROFILES_FILE") for name in ("FASTDDS", "FASTRTPS"))
    without_network = environment.get("FASTDDS_BUILTIN_TRANSPORTS", "").split("?")[0] == "SHM" or own_profile
    return "" if found is None or found or without_network else "no network interface is up, not even lo"


def interfaces_up() -> dict[str, bool] | None:
    """Return the network interfaces that are up: name -> is the loopback interface. None where this is unknown."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            flags = {name: _flags(probe, name) for _, name in socket.if_nameindex()}
    except OSError:
        return None
    return {name: bool(value & _IS_LOOPBACK) for name, value in flags.items() if value & _IS_UP}


def _flags(probe: socket.socket, name: str) -> int:
    """Flags of an interface, as of netdevice(7)."""
    answer = fcntl.ioctl(probe.fileno(), _SIOCGIFFLAGS, struct.pack("16sh14x", name.encode()[:15], 0))
    return int(struct.unpack("16sh14x", answer)[1])


def _log_folder(env: Mapping[str, str]) -> Path | None:
    home = env.get("HOME", "")
    named = env.get("ROS_LOG_DIR") or (os.path.join(env["ROS_HOME"], "log") if env.get("ROS_HOME") else "~/.ros/log")
    if named.startswith("~"):
        return Path(home + named[1:]) if home else None
    return Path(named)


def _logs(env: Mapping[str, str]) -> Finding:
    reason = why_no_logs(env)
    if reason:
        return _FINDINGS.error("logs of ROS 2", f"{reason}: nodes do not start, or do not log", LOG_REMEDY)
    return _FINDINGS.ok("logs of ROS 2", str(_log_folder(env)))


def _temporary_files(env: Mapping[str, str]) -> Iterator[Finding]:
    """Check the folder that compressed bags are unpacked into.

    Yields:
        One or two findings.
    """
    try:
        folder = Path(tempfile.gettempdir())
    except OSError:
        text = "no folder for them can be written: compressed bags and replay --ros do not work"
        yield _FINDINGS.error("temporary files", text, "set TMPDIR to a folder that can be written")
        return
    named = env.get("TMPDIR", "")
    if named and not (Path(named).is_dir() and not why_not_writable(Path(named), is_folder=True)):
        text = f"TMPDIR is {named}, which cannot be written; {folder} is used"
        yield _FINDINGS.warn("TMPDIR", text, "set TMPDIR to a folder that can be written, or unset it")
    reason = why_not_writable(folder, is_folder=True)
    free_mb = shutil.disk_usage(folder).free // _MEGABYTE
    if reason:
        text = f"{folder} cannot be written ({reason}): compressed bags and replay --ros do not work"
        yield _FINDINGS.error("temporary files", text, "set TMPDIR to a folder that can be written")
    elif free_mb < _LITTLE_MB:
        text = f"{free_mb} MB free in {folder}; compressed bags are unpacked there"
        remedy = "free some space, or set TMPDIR to a folder on a larger disk"
        yield _FINDINGS.fault("temporary files", text, remedy, fatal=free_mb == 0)
    else:
        yield _FINDINGS.ok("temporary files", f"{free_mb} MB free in {folder}")


def _cache() -> Finding:
    folder = cache_folder()
    reason = why_not_writable(folder, is_folder=True)
    if reason:
        text = f"{folder} cannot be written ({reason}): no simulator, and TensorRT builds its engines at every start"
        return _FINDINGS.warn(
            "cache", text, "set XDG_CACHE_HOME to a folder that can be written, for plots also MPLCONFIGDIR"
        )
    return _FINDINGS.ok("cache", str(folder))


def _file_size(limit: int) -> Finding:
    if limit == resource.RLIM_INFINITY:
        return _FINDINGS.ok("size of files", "not limited")
    text = f"no file may grow beyond {limit / _MEGABYTE:.1f} MB: recordings and unpacked bags end there"
    return _FINDINGS.warn("size of files", text, "ulimit -f unlimited")


def _shared(folder: Path, env: Mapping[str, str]) -> Finding:
    """Check the shared memory, by which Fast DDS passes large messages between programs of one computer."""
    if "fastrtps" not in env.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"):
        return _FINDINGS.ok("shared memory", "not used by this middleware")
    is_only_way = env.get("FASTDDS_BUILTIN_TRANSPORTS", "").split("?")[0] == "SHM"
    remedy = "docker run --shm-size=512m or --ipc=host; without it Fast DDS prints errors and uses the network"
    reason = why_not_writable(folder, is_folder=True) if folder.is_dir() else "does not exist"
    if reason:
        return _FINDINGS.fault("shared memory", f"{folder} cannot be written ({reason})", remedy, fatal=is_only_way)
    free_mb = shutil.disk_usage(folder).free // _MEGABYTE
    if free_mb < _LITTLE_SHARED_MB:
        return _FINDINGS.fault("shared memory", f"{free_mb} MB free in {folder}", remedy, fatal=is_only_way)
    return _FINDINGS.ok("shared memory", f"{free_mb} MB free in {folder}")


def _network(found: Mapping[str, bool] | None, env: Mapping[str, str]) -> Finding:
    if found is None:
        return _FINDINGS.ok("network", "interfaces unknown on this system")
    reason = why_no_network(env, found)
    if reason:
        return _FINDINGS.error("network", f"{reason}: no node finds another", NETWORK_REMEDY)
    is_local = env.get("ROS_AUTOMATIC_DISCOVERY_RANGE") in ("LOCALHOST", "OFF") or env.get("ROS_LOCALHOST_ONLY") == "1"
    if found and all(found.values()) and not is_local:
        text = "only the loopback interface is up: sensors of other computers are not found"
        return _FINDINGS.warn(
            "network",
            text,
            "connect the network (docker run --network host), or set ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST",
        )
    return _FINDINGS.ok("network", f"{', '.join(sorted(found)) or 'none'} up")


def _telemetry(env: Mapping[str, str]) -> Finding:
    changed = [name for name, value in NO_TELEMETRY.items() if env.get(name) != value]
    if changed:
        text = f"{', '.join(changed)} changed: libraries report to their makers"
        return _FINDINGS.warn("telemetry", text, "leave them as transdiffuser_planner sets them")
    return _FINDINGS.ok("telemetry", "off: nothing is sent to makers of libraries")
