"""A change of an input's rate is detected by its stamps."""

import pytest

from transdiffuser_planner.runtime.inputs.rate_monitor import RateMonitor

TICK_NS = 100_000_000


def after(intervals_ns: list[int]) -> list[str]:
    """Warning of each message after 20 regular ones."""
    rates, stamp_ns, warnings = RateMonitor(), 0, []
    for interval_ns in [TICK_NS] * 20 + intervals_ns:
        stamp_ns += interval_ns
        warnings.append(rates.update("lidar", stamp_ns))
    assert not any(warnings[:20])
    return warnings[20:]


def test_a_regular_input_gives_no_warning() -> None:
    assert not any(after([TICK_NS + jitter for jitter in (-20_000_000, 0, 20_000_000)] * 10))


@pytest.mark.parametrize(
    ("interval_ns", "expected"),
    [
        (2 * TICK_NS, "lidar is received less often than before"),
        (TICK_NS // 2, "lidar is received more often than before"),
    ],
)
def test_half_and_double_rate_give_a_warning_within_four_messages_until_they_are_usual(
    interval_ns: int, expected: str
) -> None:
    warnings = after([interval_ns] * 60)
    assert expected in warnings[:4] and not warnings[-1]


def test_a_clock_that_jumps_starts_over() -> None:
    assert not any(after([-30 * 10**9, *[2 * TICK_NS] * 5]))
    assert not any(after([30 * 10**9, *[2 * TICK_NS] * 5]))


def test_rates_are_those_of_the_last_messages() -> None:
    rates = RateMonitor()
    for number in range(20):
        rates.update("lidar", number * TICK_NS)
    assert rates.hz() == {"lidar": pytest.approx(10.0)}
