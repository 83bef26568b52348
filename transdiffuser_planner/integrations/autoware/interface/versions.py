"""Versions of Autoware's message types by RIHS01 hash, as ROS 2 identifies a type on the wire (REP-2016).

The hashes are those of the definitions that Autoware published. A peer whose hash differs would be misread: DDS connects types
of the same name whatever their definition.
"""

from __future__ import annotations

from collections.abc import Sequence

PREFIX = "RIHS01_"

_MSGS, _INTERNAL = "autoware_msgs", "autoware_internal_msgs"
CANDIDATES = "autoware_internal_planning_msgs/msg/CandidateTrajectories"
CANDIDATE = "autoware_internal_planning_msgs/msg/CandidateTrajectory"
TRAFFIC_LIGHTS = "autoware_perception_msgs/msg/TrafficLightGroupArray"
TRAJECTORY = "autoware_planning_msgs/msg/Trajectory"
ROUTE = "autoware_planning_msgs/msg/LaneletRoute"
TRACKED_OBJECTS = "autoware_perception_msgs/msg/TrackedObjects"
PREDICTED_OBJECTS = "autoware_perception_msgs/msg/PredictedObjects"
TURN_INDICATORS = "autoware_vehicle_msgs/msg/TurnIndicatorsCommand"
VELOCITY_LIMIT = "autoware_internal_planning_msgs/msg/VelocityLimit"
PLANNING_FACTORS = "autoware_internal_planning_msgs/msg/PlanningFactorArray"

PUBLISHED: dict[str, dict[str, str]] = {
    TRAJECTORY: {"8259168af0abd0d3fa8297048f83aae4dad0955bd2d4e0904bcdc4f6f99a61b2": f"{_MSGS} 1.1 to 1.12"},
    ROUTE: {"ad6699d22cb153b658bad201b9e36a7870230388902c1b0d052d3198062f64ed": f"{_MSGS} 1.1 to 1.12"},
    TRACKED_OBJECTS: {"3559bd4e62ce8a4d96e32720c02bbe656cc090bb2b3f3f91f52a7c3ab095417a": f"{_MSGS} 1.1 to 1.12"},
    PREDICTED_OBJECTS: {"b63151309c3323bb6e3f09c54b3358aa53a8e66937a1cde15c5d5ede1ef80a08": f"{_MSGS} 1.1 to 1.12"},
    TRAFFIC_LIGHTS: {
        "6f6bf892681a43836041dabdac5e95dc3125f1f785d7455c77d09a8b4645fc90": f"{_MSGS} 1.8 to 1.12",
        "53846913117691b918344f9fc9ba73405bbaea537773324d3144af0f0974b1cf": f"{_MSGS} before 1.8",
    },
    TURN_INDICATORS: {"657d7f761a9b02c543e4bf3e0000405906b6169dc0bbfd6637c64fe00d98cec7": f"{_MSGS} 1.1 to 1.12"},
    VELOCITY_LIMIT: {"98f406dd5780bc61c99dcefe954fdcc4d2724f23431b8e3f1581f3a6670c4b90": f"{_INTERNAL} up to 1.14"},
    PLANNING_FACTORS: {"4ea96c616b56e98c03ea542aa1dd3f17ee54270c7122fc0d19b9ace897f0150e": f"{_INTERNAL} up to 1.14"},
    CANDIDATE: {
        "65c7f26774c9459f94b7b95452c712f460ed20f4a008f972e71cb768b06576ee": f"{_INTERNAL} 1.11 to 1.13",
        "32a6cb4b791b0caf8507e40ab63be1478a0674b6e4c1adbe111fa05bf33fc484": f"{_INTERNAL} 1.14",
    },
    CANDIDATES: {
        "64c383ed8984651da0da8cc403af88918835869c4e4f028676e3023c6122b29c": f"{_INTERNAL} 1.11 to 1.13",
        "3f5dec2c6aa73b355ff501224d1f138cc10c0bcb691a82f3cd17166a64cafdb9": f"{_INTERNAL} 1.14",
    },
}
"""Message type -> hash (hexadecimal) -> the versions of Autoware's packages that have it."""


def version_name(type_name: str, hash_text: str) -> str:
    """Name the version of a definition.

    Args:
        type_name: "package/msg/Name".
        hash_text: With or without ``RIHS01_``; "" where the middleware states none.

    Returns:
        Such as "autoware_msgs 1.8 to 1.12", or the beginning of an unknown hash.
    """
    digest = hash_text.removeprefix(PREFIX)
    known = PUBLISHED.get(type_name, {}).get(digest)
    return known or (f"an unknown version ({digest[:8]})" if digest else "a version without a hash")


def mismatch(type_name: str, own_hash: str, peer_hash: str, accepted: tuple[str, ...] = ()) -> str:
    """Compare the definitions of both sides.

    Args:
        type_name: "package/msg/Name".
        own_hash: Of this side.
        peer_hash: Of the other side; "" or zeros are not compared, as older middlewares state none.
        accepted: Further hashes that this side can read.

    Returns:
        One line with both versions and a remedy; "" if they agree.
    """
    own, peer = own_hash.removeprefix(PREFIX), peer_hash.removeprefix(PREFIX)
    if not own or not peer.strip("0") or peer == own or peer in accepted:
        return ""
    return (
        f"the peer has {type_name.replace('/msg/', '/')} of {version_name(type_name, peer)}, this side that of "
        f"{version_name(type_name, own)}; source the peer's Autoware before `make build`"
    )


def disagreement(type_name: str, peer_hashes: Sequence[str]) -> str:
    """Compare the definitions of several peers of one topic.

    Args:
        type_name: "package/msg/Name".
        peer_hashes: Of those that state one, without repetitions.

    Returns:
        One line with the versions and a remedy if there are several; else "".
    """
    if len(peer_hashes) < 2:
        return ""
    names = " and ".join(version_name(type_name, item) for item in peer_hashes)
    return (
        f"its peers have {type_name.replace('/msg/', '/')} of {names}, and a message does not state which; "
        "leave only those of one version"
    )
