"""Checks ROS 2 in this environment: imports, middleware, settings. Runs in another process, as a node would start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

from transdiffuser_planner.doctor.findings import Finding, Findings

_FINDINGS = Findings("ROS 2")
_TIMEOUT_S = 60.0
_BUILD = "make build, or source your ROS 2 and the workspace: source ros2_ws/install/setup.bash"
_PROBE = """
import json, sys
found = {}
try:
    import rclpy
    from rclpy.utilities import get_rmw_implementation_identifier
    found["rclpy"] = rclpy.__file__
    import importlib.metadata
    found["version"] = importlib.metadata.version(sys.argv[1]) if len(sys.argv) > 1 else ""
except Exception as error:
    found.setdefault("version", "")
    if "rclpy" not in found:
        found["rclpy_error"] = str(error)
if "rclpy" in found:
    try:
        found["rmw"] = get_rmw_implementation_identifier()
    except Exception as error:
        found["rmw_error"] = str(error)
    try:
        import transdiffuser_msgs.msg
        from rclpy.serialization import serialize_message
        serialize_message(transdiffuser_msgs.msg.PlannerStatus())
        found["messages"] = transdiffuser_msgs.__file__
    except Exception as error:
        found["messages_error"] = str(error)
print(json.dumps(found))
"""


def probe(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Import ROS 2 in a new interpreter.

    Args:
        environment: Its environment variables; this process's by default.

    Returns:
        "rclpy", "version", "rmw", "messages" where they work, else "<name>_error" with the reason.
    """
    command = [sys.executable, "-c", _PROBE, "ros-rclpy"]
    env = None if environment is None else dict(environment)
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, env=env, check=False)
    except subprocess.TimeoutExpired:
        return {"rclpy_error": f"importing it did not end within {_TIMEOUT_S:.0f} s"}
    try:
        return dict(json.loads(run.stdout.strip().splitlines()[-1]))
    except (IndexError, ValueError):
        error = (run.stderr.strip().splitlines() or [f"the interpreter ended with {run.returncode}"])[-1]
        error = error.rpartition("]: ")[2].partition(", exiting")[0]
        # rcl ends the process that imports it when the requested middleware is missing.
        return {"rclpy": "", "rmw_error": error} if "RMW" in error else {"rclpy_error": error}


def check(found: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Check the result of a probe and the settings of discovery.

    Args:
        found: Result of ``probe``; runs it by default.
        environment: Environment variables; this process's by default.

    Yields:
        Findings.
    """
    env = os.environ if environment is None else environment
    probed = probe() if found is None else found
    yield from _libraries(probed, env)
    yield from _settings(env)
    yield _transports(probed.get("rmw", ""), env)


def _libraries(probed: Mapping[str, str], env: Mapping[str, str]) -> Iterator[Finding]:
    if "rclpy_error" in probed:
        text = f"cannot be imported ({_short(probed['rclpy_error'])}); replay, training and evaluation work without it"
        yield _FINDINGS.error("rclpy", text, _BUILD)
        return
    underlay = env.get("ROS_DISTRO", "")
    origin = f"of the underlay '{underlay}'" if underlay else f"wheel {probed.get('version', '')}".strip()
    yield _FINDINGS.ok("rclpy", origin)
    if "messages_error" in probed:
        yield _FINDINGS.error("transdiffuser_msgs", f"not usable ({_short(probed['messages_error'])})", _BUILD)
    elif "messages" in probed:
        yield _FINDINGS.ok("transdiffuser_msgs", "built for this Python and loadable")
    if "rmw_error" in probed:
        middleware = env.get("RMW_IMPLEMENTATION", "the default")
        remedy = "install that middleware, or unset RMW_IMPLEMENTATION"
        yield _FINDINGS.error("middleware", f"{middleware} cannot be loaded ({_short(probed['rmw_error'])})", remedy)
    else:
        yield _FINDINGS.ok("middleware", probed.get("rmw", "unknown"))


def _settings(env: Mapping[str, str]) -> Iterator[Finding]:
    domain = env.get("ROS_DOMAIN_ID", "")
    if domain and not (domain.isdecimal() and int(domain) <= 232):
        yield _FINDINGS.error(
            "ROS_DOMAIN_ID", f"'{domain}' is not a domain", "set it to 0 .. 101, the same for all nodes"
        )
    elif domain and int(domain) > 101:
        text = f"{domain}; on Linux ports of domains above 101 may be taken by other programs"
        yield _FINDINGS.warn("ROS_DOMAIN_ID", text, "choose 0 .. 101")
    else:
        yield _FINDINGS.ok("ROS_DOMAIN_ID", domain or "not set: domain 0")
    reach = env.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    if reach and reach not in ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT"):
        remedy = "set it to SUBNET or LOCALHOST"
        yield _FINDINGS.error("ROS_AUTOMATIC_DISCOVERY_RANGE", f"'{reach}' is not known", remedy)
    elif reach == "OFF":
        yield _FINDINGS.error(
            "ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF: no node finds another", "set it to SUBNET or LOCALHOST"
        )
    elif reach == "LOCALHOST" or env.get("ROS_LOCALHOST_ONLY") == "1":
        text = "this machine only: sensors of other computers are not found"
        yield _FINDINGS.ok("discovery", text)
    else:
        yield _FINDINGS.ok("discovery", "the whole subnet")
    if env.get("ROS_LOCALHOST_ONLY") == "1" and reach:
        text = "set together with ROS_AUTOMATIC_DISCOVERY_RANGE, which it overrides"
        yield _FINDINGS.warn("ROS_LOCALHOST_ONLY", text, "unset ROS_LOCALHOST_ONLY")


def _transports(middleware: str, env: Mapping[str, str]) -> Finding:
    """Check the transport: large messages over plain UDP lose fragments on a busy machine."""
    if "fastrtps" not in middleware:
        return _FINDINGS.ok("transports", "defaults of the middleware")
    value = env.get("FASTDDS_BUILTIN_TRANSPORTS", "")
    if value.split("?")[0] in ("LARGE_DATA", "LARGE_DATAv6", "SHM"):
        return _FINDINGS.ok("transports", f"FASTDDS_BUILTIN_TRANSPORTS={value}")
    if env.get("FASTRTPS_DEFAULT_PROFILES_FILE") or env.get("FASTDDS_DEFAULT_PROFILES_FILE"):
        return _FINDINGS.ok("transports", "from your Fast DDS profile")
    text = f"Fast DDS with {value or 'its default transports'}: point clouds of megabytes may lose fragments on a busy machine"
    return _FINDINGS.warn(
        "transports", text, "export FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA for publishers and planner alike"
    )


def _short(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0][:160]
