"""Every lifecycle transition over its service, while a vehicle drives: what it frees, and how fast the first plan is."""

import gc
import statistics
import time
import weakref
from collections.abc import Iterator

import pytest
from fault_stage import FaultStage
from lifecycle_msgs.msg import State as LifecycleState
from lifecycle_msgs.msg import Transition
from rclpy.lifecycle import State

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
SHUTDOWN = Transition.TRANSITION_ACTIVE_SHUTDOWN
SLACK_MS = 15.0


@pytest.fixture
def stage() -> Iterator[FaultStage]:
    with FaultStage() as stage:
        yield stage


def change(stage: FaultStage, transition: int) -> bool:
    """Ask for a transition as every ROS 2 tool does."""
    answer = stage.ears.ask("change_state", "lifecycle_msgs/srv/ChangeState", transition=Transition(id=transition))
    return bool(answer.success)


def state(stage: FaultStage) -> str:
    return str(stage.ears.ask("get_state", "lifecycle_msgs/srv/GetState").current_state.label)


def silent(stage: FaultStage, for_s: float = 0.4) -> bool:
    """Whether no trajectory comes, once those on their way have arrived."""
    until_s = time.monotonic() + for_s
    stage.wait(lambda: time.monotonic() > until_s, for_s + 1.0, "time passes")
    return not stage.ears.trajectories(until_s - for_s + 0.2)


def test_all_transitions_do_what_they_say_and_free_what_they_took(stage: FaultStage) -> None:
    began = time.monotonic()
    assert change(stage, DEACTIVATE) and state(stage) == "inactive" and silent(stage)
    stage.wait(lambda: "node is not active" in stage.ears.said(began), 2.0, "the status says why", began)
    assert change(stage, ACTIVATE) and state(stage) == "active"
    active = time.monotonic()
    stage.wait(lambda: stage.recovered(active), 1.0, "plans after activation", began)
    assert change(stage, DEACTIVATE)
    assert stage.planner.keeper is not None and stage.planner.keeper.planner is not None
    model = weakref.ref(stage.planner.keeper.planner)
    session = weakref.ref(stage.planner.keeper.planner.backend)
    assert change(stage, CLEANUP) and state(stage) == "unconfigured"
    gc.collect()
    assert model() is None and session() is None, "the model is still in memory"
    stage.wait(lambda: not any(stage.vehicle.num_listeners()), 2.0, "all subscriptions are gone")
    assert silent(stage)
    assert change(stage, CONFIGURE) and change(stage, ACTIVATE)
    again = time.monotonic()
    stage.wait(lambda: stage.recovered(again), 1.0, "plans after configuring again", began)
    stage.check(began)
    assert change(stage, SHUTDOWN) and state(stage) == "finalized" and silent(stage)
    assert stage.spinners[0].is_alive and stage.spinners[0].escaped is None


def test_transitions_that_are_not_allowed_are_refused(stage: FaultStage) -> None:
    assert not change(stage, CONFIGURE) and not change(stage, CLEANUP)
    asked = time.monotonic()
    stage.wait(lambda: stage.recovered(asked), 1.0, "planning goes on")
    stage.check(asked)


def test_an_error_in_a_transition_leads_back_to_unconfigured_and_it_can_be_configured_again(
    stage: FaultStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(state: State) -> None:
        raise RuntimeError("broken on purpose")

    with monkeypatch.context() as patch:
        patch.setitem(stage.planner._callbacks, LifecycleState.TRANSITION_STATE_DEACTIVATING, broken)
        assert not change(stage, DEACTIVATE)
    assert state(stage) == "unconfigured" and silent(stage)
    stage.wait(lambda: not any(stage.vehicle.num_listeners()), 2.0, "all subscriptions are gone")
    assert change(stage, CONFIGURE) and change(stage, ACTIVATE)
    again = time.monotonic()
    stage.wait(lambda: stage.recovered(again), 1.0, "plans after the error", again)
    stage.check(again)


def test_the_first_plan_after_activation_is_as_fast_as_later_ones(stage: FaultStage) -> None:
    assert change(stage, DEACTIVATE) and change(stage, CLEANUP) and change(stage, CONFIGURE)
    ready = time.monotonic() + 0.5  # inputs have connected again
    stage.wait(lambda: time.monotonic() > ready, 1.0, "time passes")
    assert change(stage, ACTIVATE)
    active = time.monotonic()
    plans = stage.wait(
        lambda: len(stage.recovered(active)) >= 20 and stage.recovered(active), 6.0, "twenty plans", active
    )
    cost_ms = [sum(heard.message.stage_times_ms) for heard in plans]
    denied_ms = 1e3 * stage.starvation.between(plans[0].at_s - 1e-3 * cost_ms[0] - 0.05, plans[0].at_s)
    assert cost_ms[0] - denied_ms <= 1.5 * statistics.median(cost_ms[1:]) + SLACK_MS, (cost_ms, denied_ms)
