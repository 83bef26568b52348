"""Every sensor dropped, delayed, frozen, reordered, duplicated, corrupted, at half and double rate, over DDS in real time."""

from collections.abc import Iterator

import pytest
from fault_injection_fixture import RECOVERY_S, FaultTestbench
from sensor_faults import STREAM_FAULTS
from synthetic_vehicle import CAMERAS

STREAMS = {"one camera": ("rgb_left",), "all cameras": CAMERAS, "lidar": ("lidar",), "odometry": ("odometry",)}
ABSENT = {
    "one camera": ("missing: rgb_left",),
    "all cameras": ("0 cameras, need 1; missing rgb_left, rgb_front, rgb_right",),
    "lidar": ("lidar is missing",),
    "odometry": ("odometry is 0.",),
}
"""Reported texts when a stream is absent or late."""
CASES = [
    (stream, fault)
    for stream in STREAMS
    for fault in STREAM_FAULTS
    # The reports of all cameras name each of them; one alone differs where it is absent, late or damaged.
    if stream != "one camera" or fault not in ("duplicated", "reordered", "half_rate", "double_rate")
]


@pytest.fixture(scope="module")
def bench() -> Iterator[FaultTestbench]:
    with FaultTestbench() as bench:
        yield bench


def expected_texts(stream: str, fault: str) -> tuple[str, ...]:
    """Texts that must be reported."""
    names = STREAMS[stream]
    if fault == "corrupted":
        return ("finite",) if stream == "odometry" else (*names, "truncated")
    if fault in ("frozen", "duplicated", "reordered"):
        word = "out-of-order" if fault == "reordered" else "repeated"
        return tuple(f"{name}: {word} stamp" for name in names) + (ABSENT[stream] if fault == "frozen" else ())
    if fault in ("half_rate", "double_rate"):
        word = "less often" if fault == "half_rate" else "more often"
        # Events are reported once a second and only the latest of them: which cameras are named depends on the load.
        return (f"is received {word} than before",)
    if fault == "delayed":
        return ("later after its stamp than the other inputs",)
    return ABSENT[stream]


@pytest.mark.parametrize(("stream", "fault"), CASES)
def test_a_sensor_fault_is_reported_and_no_plan_is_late_or_unchecked(
    bench: FaultTestbench, stream: str, fault: str
) -> None:
    def on() -> None:
        bench.vehicle.faults = {name: STREAM_FAULTS[fault]() for name in STREAMS[stream]}

    texts = expected_texts(stream, fault)

    def reported(since_s: float) -> bool:
        return all(text in bench.listener.reported(since_s) for text in texts)

    # A change of rate or delay takes messages to be noticed.
    until = reported if fault.endswith("_rate") or fault == "delayed" else None
    began = bench.inject(on, bench.vehicle.heal, texts, until=until)
    assert bench.longest_gap_s(began) < RECOVERY_S
