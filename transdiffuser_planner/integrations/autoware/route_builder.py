"""Builds routes on the vector map in a thread of its own, so that no input waits for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from transdiffuser_planner.integrations.autoware.interface.decode import RouteRequest
from transdiffuser_planner.integrations.autoware.lanelets.lanelet_map import LaneletMap, MapError
from transdiffuser_planner.integrations.autoware.lanelets.route_elements import RouteLine
from transdiffuser_planner.integrations.autoware.lanelets.route_line import center_of, route_line

_PAUSE_S = 0.001
"""Between two lanelets, for threads that wait for the interpreter."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BuiltRoute:
    """A request and its route; None if it was refused."""

    request: RouteRequest
    line: RouteLine | None


class RouteBuilder:
    """Builds the route of the newest request; may be used from several threads.

    Args:
        lanelet_map: The vector map.
        refused: Called in the builder's thread with the reason why a request leads to no route.
    """

    def __init__(self, lanelet_map: LaneletMap, refused: Callable[[str], None]) -> None:
        self._map, self._refused = lanelet_map, refused
        self._guard = threading.Lock()
        self._wanted: RouteRequest | None = None
        self._built: BuiltRoute | None = None
        self._thread: threading.Thread | None = None

    def request(self, request: RouteRequest) -> None:
        """Begin to build a route; the one of an earlier request is no longer wanted.

        Args:
            request: With segments.
        """
        with self._guard:
            self._wanted, self._built = request, None
            if self._thread is None:
                self._thread = threading.Thread(target=self._build_wanted, name="route", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Forget the request."""
        with self._guard:
            self._wanted = self._built = None

    @property
    def waits_for(self) -> RouteRequest | None:
        """The request whose route is being built; None without one."""
        return self._wanted

    def take(self) -> BuiltRoute | None:
        """Return what became of the newest request, once; None while it is being built."""
        if self._built is None:
            return None
        with self._guard:
            built, self._built = self._built, None
            return built

    def _build_wanted(self) -> None:
        """Build until nothing is wanted."""
        while True:
            with self._guard:
                request = self._wanted
                if request is None:
                    self._thread = None
                    return
            line, reason = self._build(request)
            with self._guard:
                is_wanted = request is self._wanted
                if is_wanted:
                    self._wanted, self._built = None, BuiltRoute(request=request, line=line)
            if is_wanted and reason:
                self._refused(reason)

    def _build(self, request: RouteRequest) -> tuple[RouteLine | None, str]:
        """A route, or the reason that there is none; outermost scope of the thread."""
        try:
            for number, others in request.segments:
                if request is not self._wanted:
                    return None, ""
                for lanelet_id in (number, *others):
                    if lanelet_id in self._map.lanelets:
                        center_of(self._map.lanelets[lanelet_id])
                        time.sleep(_PAUSE_S)
            return route_line(self._map, request.segments, request.start_2, request.goal_2), ""
        except MapError as error:
            return None, str(error)
        except Exception as error:  # no fault of one message may end the node
            return None, f"route: {type(error).__name__}: {error}"
