"""The first part of a pipeline in a thread of its own: order, errors, bounds, and an end when the reader leaves."""

import threading

import pytest

from transdiffuser_planner.replay.read_ahead import read_ahead

DEADLINE_S = 60.0


def numbers(count, made, closed):
    try:
        for number in range(count):
            made.append(number)
            yield number
    finally:
        closed.set()


def test_items_arrive_in_order_and_are_made_in_another_thread():
    threads = set()

    def items():
        for number in range(50):
            threads.add(threading.get_ident())
            yield number

    assert list(read_ahead(items(), 2)) == list(range(50))
    assert threading.get_ident() not in threads and len(threads) == 1


def test_an_error_is_raised_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("the third")

    found = []
    with pytest.raises(ValueError, match="the third"):
        found.extend(read_ahead(items(), 1))
    assert found == [1, 2]


def test_no_more_items_wait_than_allowed():
    made, closed = [], threading.Event()
    reader = read_ahead(numbers(100, made, closed), 3)
    for number in range(100):
        assert next(reader) == number
        # This one, three that wait, and one that waits for room.
        assert len(made) <= number + 1 + 3 + 1


def test_a_reader_that_leaves_ends_the_generator():
    made, closed = [], threading.Event()
    reader = read_ahead(numbers(1000, made, closed), 2)
    assert next(reader) == 0
    reader.close()
    assert closed.wait(DEADLINE_S) and len(made) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name == "read ahead"]
