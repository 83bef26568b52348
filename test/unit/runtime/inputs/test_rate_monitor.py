"""A change of an input's rate is noticed by its stamps."""

import pytest

from transdiffuser_planner.runtime.inputs.rate_monitor import RateMonitor

TICK_NS = 100_000_000


def after(intervals_ns: list[int]) -> list[str]:
    """What is said of each message after 20 regular ones."""
    rates, stamp_ns, said = RateMonitor(), 0, []
    for interval_ns in [TICK_NS] * 20 + intervals_ns:
        stamp_ns += interval_ns
        said.append(rates.update("lidar", stamp_ns))
    assert not any(said[:20])
    return said[20:]


def test_a_regular_input_is_not_remarked() -> None:
    assert not any(after([TICK_NS + jitter for jitter in (-20_000_000, 0, 20_000_000)] * 10))


@pytest.mark.parametrize(
    ("interval_ns", "said"),
    [(2 * TICK_NS, "lidar comes less often than before"), (TICK_NS // 2, "lidar comes more often than before")],
)
def test_half_and_double_rate_are_remarked_within_four_messages_until_they_are_usual(
    interval_ns: int, said: str
) -> None:
    remarks = after([interval_ns] * 60)
    assert said in remarks[:4] and not remarks[-1]


def test_a_clock_that_jumps_starts_over() -> None:
    assert not any(after([-30 * 10**9, *[2 * TICK_NS] * 5]))
    assert not any(after([30 * 10**9, *[2 * TICK_NS] * 5]))


def test_rates_are_those_of_the_last_messages() -> None:
    rates = RateMonitor()
    for number in range(20):
        rates.update("lidar", number * TICK_NS)
    assert rates.hz() == {"lidar": pytest.approx(10.0)}
