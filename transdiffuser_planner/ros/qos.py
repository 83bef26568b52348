"""QoS profiles of inputs, outputs, latched topics and recordings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from transdiffuser_planner.messages.input_registry import InputQos

# Matches reliable and best-effort publishers; only fresh frames matter.
SENSOR_INPUT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=5,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
OUTPUT = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)
# Published once; must reach late subscribers.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# Every message counts: simulator outputs, recorders, inputs that are published on change.
RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=20, reliability=ReliabilityPolicy.RELIABLE)
INPUT_PROFILES = {InputQos.SENSOR: SENSOR_INPUT, InputQos.RELIABLE: RELIABLE, InputQos.LATCHED: LATCHED}
"""QoS profiles of the planner's subscriptions."""

_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
_WEAKER = {"durability": "volatile", "reliability": "best_effort"}
"""Policy -> the value of publishers that do not fit the stricter one of a subscription."""


def input_options(topic: str, qos: QoSProfile, warned: Callable[[str, str], None]) -> dict[str, Any]:
    """Return the options of an input's subscription.

    The user may override the QoS as for every ROS 2 node: parameters ``qos_overrides.<topic>.subscription.*``. A publisher
    whose QoS does not fit is named, as not one message of it arrives.

    Args:
        topic: Fully qualified, after remapping.
        qos: Profile without overrides.
        warned: Called with (topic, text) when a publisher does not fit.

    Returns:
        Arguments of ``create_subscription``.
    """
    profile = copy.copy(qos)  # overriding changes it

    def refused(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        offered = _WEAKER.get(policy, "another")
        warned(
            topic,
            f"{topic}: a publisher's {policy} is {offered}, no message of it is received; change the publisher, or set "
            f"the planner's parameter qos_overrides.{topic}.subscription.{policy} to {offered}",
        )

    return {
        "qos_profile": profile,
        "qos_overriding_options": QoSOverridingOptions(_POLICIES),
        "event_callbacks": SubscriptionEventCallbacks(incompatible_qos=refused),
    }
