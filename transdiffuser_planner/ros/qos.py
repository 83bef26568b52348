"""QoS profiles of inputs, outputs, latched topics and recordings."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

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
# Every message counts: simulator outputs and recorders.
RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=20, reliability=ReliabilityPolicy.RELIABLE)
INPUT_PROFILES = {InputQos.SENSOR: SENSOR_INPUT, InputQos.LATCHED: LATCHED}
"""QoS profiles of the planner's subscriptions."""
