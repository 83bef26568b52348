"""Peers are compared by the hashes in the ROS graph, once a second."""

from types import SimpleNamespace as Endpoint

from transdiffuser_planner.integrations.autoware import peers
from transdiffuser_planner.integrations.autoware.interface import versions

NEW, OLD = (
    next(digest for digest, text in versions.PUBLISHED[versions.CANDIDATES].items() if text.endswith(version))
    for version in ("1.14", "1.13")
)


def endpoint(node, digest, kind=versions.CANDIDATES):
    stated = Endpoint(version=1, value=bytes.fromhex(digest)) if digest else Endpoint(version=-1, value=bytes(32))
    return Endpoint(node_name=node, topic_type=kind, topic_type_hash=stated)


class Graph:
    """A node's view of one topic."""

    def __init__(self, publishers, subscribers):
        self.publishers, self.subscribers, self.asked = publishers, subscribers, 0

    def get_name(self):
        return "planner"

    def resolve_topic_name(self, topic):
        return topic.replace("~", "/planner")

    def get_publishers_info_by_topic(self, topic):
        self.asked += 1
        return self.publishers

    def get_subscriptions_info_by_topic(self, topic):
        return self.subscribers

    def count_publishers(self, topic):
        return len(self.publishers)

    def count_subscribers(self, topic):
        return len(self.subscribers)


def check(publishers, subscribers, *, is_input=False, accepted=()):
    graph = Graph(publishers, subscribers)
    return graph, peers.PeerCheck(graph, "~/out", versions.CANDIDATES, is_input=is_input, accepted=accepted)


def test_a_subscriber_with_another_definition_is_named_with_both_versions():
    _, found = check([endpoint("planner", NEW)], [endpoint("rviz", NEW), endpoint("selector", OLD)])
    reason = found.check()
    assert reason.startswith("/planner/out: ") and "1.11 to 1.13" in reason and "1.14" in reason


def test_equal_unstated_and_accepted_definitions_pass():
    own = [endpoint("planner", NEW)]
    assert check(own, [endpoint("a", NEW), endpoint("b", "")])[1].check() == ""
    assert check([endpoint("a", OLD)], own, is_input=True, accepted=(OLD,))[1].check() == ""
    assert check(own, [endpoint("a", OLD, kind="other/msg/Type")])[1].check() == ""
    assert check([], [])[1].check() == ""


def test_two_publishers_of_different_versions_are_refused_although_each_could_be_read(monkeypatch):
    own = [endpoint("planner", NEW)]
    graph, found = check([endpoint("a", OLD)], own, is_input=True, accepted=(OLD,))
    monkeypatch.setattr(peers.time, "monotonic", lambda: 100.0)  # the change of their number is what is noticed
    assert found.check() == "" and found.peer_hash == versions.PREFIX + OLD
    graph.publishers = [endpoint("a", OLD), endpoint("b", NEW), endpoint("c", NEW)]
    reason = found.check()
    assert "1.11 to 1.13 and" in reason or "1.14 and" in reason
    assert "1.11 to 1.13" in reason and "1.14" in reason and found.peer_hash == ""
    graph.publishers = [endpoint("b", NEW), endpoint("c", NEW)]
    assert found.check() == "" and found.peer_hash == versions.PREFIX + NEW


def test_the_publishers_hash_is_known_to_the_reader_and_the_graph_is_asked_once_a_second(monkeypatch):
    graph, found = check([endpoint("a", OLD)], [endpoint("planner", NEW)], is_input=True, accepted=(OLD,))
    now = [100.0]
    monkeypatch.setattr(peers.time, "monotonic", lambda: now[0])
    for _ in range(5):
        found.check()
    assert graph.asked == 1 and found.peer_hash == versions.PREFIX + OLD
    now[0] += 1.5
    found.check()
    assert graph.asked == 2
