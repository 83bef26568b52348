"""Generated messages of every input type: refused with a reason or used, no exceptions, no effect on later frames."""

from collections import Counter

import pytest
from drive import FRAME, LAST, Drive, check_features, driven, essence, stamp_of
from fuzz_messages import KINDS, MESSAGES, serialized
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

# A warning within the code under test is a failure; Pillow's own, about odd files, are not ours.
strictly = pytest.mark.filterwarnings("error", "ignore::hypothesis.errors.HypothesisWarning", "ignore:::PIL")


@strictly
@pytest.mark.parametrize("name", MESSAGES)
def test_any_message_is_refused_with_a_reason_or_used_and_leaves_later_frames_unchanged(name):
    topic, strategy = MESSAGES[name]
    counts = Counter()
    without = driven((topic, None))[0].planned[-1]

    @given(strategy)
    def exchange(message):
        drive, refused = driven((topic, message))
        counts["refused" if refused else "used"] += 1
        last = drive.planned[-1]
        assert last.stamp_ns == stamp_of(LAST), "the last good frame was not planned from"
        # A message that was refused leaves no trace; one that was used may have cut the history, as a jump does.
        assert essence(last, with_history=bool(refused)) == essence(without, with_history=bool(refused))
        if not refused:
            check_features(drive.planned[FRAME] if len(drive.planned) > FRAME else last)

    exchange()
    print(f"{name}: {sum(counts.values())} messages, {counts['used']} used, {counts['refused']} refused")
    assert counts["used"] and counts["refused"], counts


@strictly
@pytest.mark.parametrize("name", MESSAGES)
def test_any_bytes_are_refused_with_a_reason_or_used_and_leave_later_frames_unchanged(name):
    topic, _ = MESSAGES[name]
    counts = Counter()
    without = driven((topic, None))[0].planned[-1]

    @settings(max_examples=settings().max_examples // 3)
    @given(serialized(name))
    def exchange(data):
        drive, refused = driven((topic, KINDS[name], data))
        counts["refused" if refused else "used"] += 1
        assert drive.planned[-1].stamp_ns == stamp_of(LAST), "the last good frame was not planned from"
        assert essence(drive.planned[-1], with_history=bool(refused)) == essence(without, with_history=bool(refused))
        if not refused:
            check_features(drive.planned[FRAME] if len(drive.planned) > FRAME else drive.planned[-1])

    exchange()
    print(f"{name}, serialized: {sum(counts.values())} messages, {counts['used']} used, {counts['refused']} refused")
    # Of few examples all may be damaged.
    assert counts["refused"] and (counts["used"] or sum(counts.values()) < 50), counts


@strictly
def test_frames_a_second_after_several_wrong_messages_are_unchanged():
    any_message = st.one_of(*(st.tuples(st.just(topic), strategy) for topic, strategy in MESSAGES.values()))
    undisturbed = driven()[0].planned[-1]

    @given(st.lists(any_message, min_size=2, max_size=6))
    def disturb(messages):
        drive = Drive()
        for number in range(LAST + 1):
            if number == FRAME:
                for topic, message in messages:
                    drive.take(topic, message, stamp_of(number))
            drive.frame(number)
        assert drive.planned[-1].stamp_ns == stamp_of(LAST), "the last good frame was not planned from"
        assert essence(drive.planned[-1], with_history=False) == essence(undisturbed, with_history=False)
        check_features(drive.planned[-1])

    disturb()
