"""Diagnostic counters of the node are bounded and thread-safe."""

import threading

import needs_ros  # noqa: F401

from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.ros.planner_node.diagnostics import NodeDiagnostics


def values(diagnostics: NodeDiagnostics) -> dict[str, str]:
    message = diagnostics.message("planner", 0, None, None, Mode())
    return {item.key: item.value for item in message.status[0].values}


def test_the_latest_rejection_reasons_are_named_and_all_are_counted() -> None:
    diagnostics = NodeDiagnostics()
    for number in range(100):
        diagnostics.count_rejection(f"reason {number}")
        diagnostics.count_rejection("always")
    refused = {key: int(value) for key, value in values(diagnostics).items() if key.startswith("refused: ")}
    assert refused["refused: reason 99"] == 1 and refused["refused: always"] == 100
    assert len(refused) <= 21 and sum(refused.values()) == 200


def test_counting_in_one_thread_while_another_reads_is_harmless() -> None:
    diagnostics, ended = NodeDiagnostics(), threading.Event()

    def count() -> None:
        number = 0
        while not ended.is_set():
            diagnostics.count_event(f"text {number}")
            number += 1

    counting = threading.Thread(target=count)
    counting.start()
    try:
        for _ in range(100):
            assert "model_state" in values(diagnostics)
    finally:
        ended.set()
        counting.join()


def test_events_are_not_counted_as_rejected_inputs() -> None:
    diagnostics = NodeDiagnostics()
    diagnostics.count_event("the clock jumped")
    found = values(diagnostics)
    assert found["event: the clock jumped"] == "1" and not any(key.startswith("refused") for key in found)
