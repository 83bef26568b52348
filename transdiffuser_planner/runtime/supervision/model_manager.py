"""Holds the planner at work; makes a new one beside it on request, or when the old one is broken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from transdiffuser_planner.core.errors import ModelError, PlannerError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import Provenance
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.planner import Planner

LoadPlanner = Callable[[PlannerConfig, PlanHistory], Planner]
Report = Callable[[str, str], None]

_RETRY_S = 2.0


class ModelManager:
    """The planner in use (None while one that hangs is replaced) and the thread that loads the next. Thread-safe."""

    def __init__(self, load: LoadPlanner, config: PlannerConfig, report: Report) -> None:
        """Load the model.

        Args:
            load: Makes a warmed-up planner for a configuration and a memory; called again to replace a broken one.
            config: May be replaced later by ``configure``.
            report: Called with (source, text) when something went wrong or was mended.

        Raises:
            ModelError: The model cannot be loaded.
        """
        self._load, self._config, self._report = load, config, report
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_loading = False
        self.memory = PlanHistory()
        planner = load(config, self.memory)
        self.contract = planner.contract
        self.codebook, self.has_scorer = planner.codebook, planner.backend.has_scorer
        self.vehicle_notice = planner.vehicle_notice
        self.source: Provenance = planner.source()
        self.planner: Planner | None = planner
        self.num_renewed = 0
        self._renewed_s = -1e9

    @property
    def config(self) -> PlannerConfig:
        """The configuration in use."""
        return self._config

    @property
    def is_loading(self) -> bool:
        """Whether a planner is being made."""
        return self._is_loading

    def check_config(self, config: PlannerConfig) -> str:
        """Why the model in use cannot plan with a configuration; "" if it can."""
        if config.selection == "scorer" and not self.has_scorer:
            return "selection: the model has no scorer; use 'rules', or load a model that has one"
        return ""

    def configure(self, config: PlannerConfig) -> None:
        """Use another configuration from the next cycle on."""
        self._config = config
        planner = self.planner
        if planner is not None:
            planner.config = config

    def replace(self, why: str) -> None:
        """Take the planner out of use and load another until that succeeds; returns at once."""
        with self._lock:
            if self.planner is not None:
                self.planner.memory = PlanHistory()  # a hung one that wakes up must not overwrite what others remember
            self.planner = None
        self._begin_loading(why)

    def reload_in_background(self, why: str) -> None:
        """Load another planner beside one that fails but answers, and may recover by itself; returns at once."""
        if time.monotonic() - self._renewed_s >= _RETRY_S:
            self._begin_loading(why)

    def _begin_loading(self, why: str) -> None:
        with self._lock:
            if self._is_loading or self._ended.is_set():
                return
            self._is_loading = True
        threading.Thread(target=self._load_again, args=(why,), name="model loader", daemon=True).start()

    def reload(self, load: LoadPlanner | None = None) -> Future[Provenance]:
        """Make a new planner beside the old one and swap it in; when that fails, the old one stays.

        Args:
            load: Makes it, and replaces broken ones from now on; None takes the present one.

        Returns:
            What the new plans come from, or a ModelError.
        """
        outcome: Future[Provenance] = Future()
        with self._lock:
            if self._is_loading:
                outcome.set_exception(ModelError("a model is being loaded already; try again when it is ready"))
                return outcome
            self._is_loading = True
        arguments = (load or self._load, outcome)
        threading.Thread(target=self._load_beside, args=arguments, name="model loader", daemon=True).start()
        return outcome

    def end(self) -> None:
        """Give the model back and load no other."""
        self._ended.set()
        self.planner = None

    def _load_again(self, why: str) -> None:
        while not self._ended.is_set():
            try:
                self._swap(self._load(self._config, self.memory))
            except Exception as error:  # outermost edge of the thread
                self._report("planner", f"{why}; loading the model again failed: {error}")
                self._ended.wait(_RETRY_S)
                continue
            self.num_renewed += 1
            self._renewed_s = time.monotonic()
            self._report("planner", f"{why}; the model was loaded again")
            return

    def _load_beside(self, load: LoadPlanner, outcome: Future[Provenance]) -> None:
        try:
            planner = load(self._config, self.memory)
            if planner.contract != self.contract:
                raise ModelError("the new model has another contract; clean up and configure the node to change it")
        except PlannerError as error:
            with self._lock:
                self._is_loading = False
            outcome.set_exception(error)
            return
        self._load = load
        self._swap(planner)
        outcome.set_result(planner.source())

    def _swap(self, planner: Planner) -> None:
        planner.config = self._config
        with self._lock:
            self._is_loading = False
            if not self._ended.is_set():
                self.source, self.codebook, self.planner = planner.source(), planner.codebook, planner
                self.has_scorer, self.vehicle_notice = planner.backend.has_scorer, planner.vehicle_notice
