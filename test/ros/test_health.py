"""Health counters of the node stay readable and thread-safe."""

import threading

import needs_ros  # noqa: F401

from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.ros.planner_node.diagnostics import Health


def values(health: Health) -> dict[str, str]:
    message = health.message("planner", 0, None, None, Mode())
    return {item.key: item.value for item in message.status[0].values}


def test_the_latest_refusal_reasons_are_named_and_all_are_counted() -> None:
    health = Health()
    for number in range(100):
        health.refuse(f"reason {number}")
        health.refuse("always")
    refused = {key: int(value) for key, value in values(health).items() if key.startswith("refused: ")}
    assert refused["refused: reason 99"] == 1 and refused["refused: always"] == 100
    assert len(refused) <= 21 and sum(refused.values()) == 200


def test_counting_in_one_thread_while_another_reads_is_harmless() -> None:
    health, ended = Health(), threading.Event()

    def count() -> None:
        number = 0
        while not ended.is_set():
            health.note(f"text {number}")
            number += 1

    counting = threading.Thread(target=count)
    counting.start()
    try:
        for _ in range(100):
            assert "model_state" in values(health)
    finally:
        ended.set()
        counting.join()


def test_notices_are_not_counted_as_refused_inputs() -> None:
    health = Health()
    health.note("the clock jumped")
    found = values(health)
    assert found["noticed: the clock jumped"] == "1" and not any(key.startswith("refused") for key in found)
