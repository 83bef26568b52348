"""Compares the QoS of recorded publishers with that of the node's subscriptions: a replay reads what the node might never get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.parameter_overrides import QOS_OVERRIDES
from transdiffuser_planner.data.bags.offered_qos import offered_qos
from transdiffuser_planner.messages.input_registry import InputQos, InputSpec, mapped_inputs
from transdiffuser_planner.messages.topic_map import TopicMap

_REQUESTED = {
    InputQos.SENSOR: {"reliability": "best_effort", "durability": "volatile"},
    InputQos.LATCHED: {"reliability": "reliable", "durability": "transient_local"},
}
"""Policies of the node's subscriptions without overrides, as in ``ros.qos``."""
_WEAK = {"reliability": "best_effort", "durability": "volatile"}
_STRICT = {"reliability": "reliable", "durability": "transient_local"}


def qos_notices(bags: Sequence[Path], topics: TopicMap, overrides: Mapping[str, Any], node: str) -> Iterator[str]:
    """Yield a line for each input whose recorded publishers the node would receive nothing from.

    Args:
        bags: The bags of a drive.
        topics: Topic map.
        overrides: Parameters ``qos_overrides.<topic>.subscription.<policy>`` of the node.
        node: The node's fully qualified name.
    """
    offered = offered_qos(bags)
    for spec, camera, topic in mapped_inputs(topics):
        publishers = offered.get(topic, [])
        for policy, requested in _REQUESTED[spec.qos].items():
            for name in _names(spec, camera, topic, node, policy):
                requested = str(overrides.get(name, requested)).lower()
            weak = [publisher.get(policy) == _WEAK[policy] for publisher in publishers]
            if requested == _STRICT[policy] and weak and all(weak):
                yield (
                    f"{spec.title(camera)}: {topic} was published {_WEAK[policy]}, and the node's subscription is {requested}: "
                    f"it receives no message, unless its parameter {QOS_OVERRIDES}{topic}.subscription.{policy} is "
                    f"{_WEAK[policy]}"
                )


def _names(spec: InputSpec, camera: str, topic: str, node: str, policy: str) -> list[str]:
    """Return the parameters that override a policy: by the vehicle's topic, or by the node's own without remapping."""
    own = [spec.private_topic(camera, kind).replace("~", node, 1) for kind in spec.message_types]
    return [f"{QOS_OVERRIDES}{name}.subscription.{policy}" for name in (*own, topic)]
