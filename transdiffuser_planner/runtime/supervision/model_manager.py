"""Holds the planner in use; loads a new one in the background on request, or when the old one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from transdiffuser_planner.core.driving_style import style_refusal
from transdiffuser_planner.core.errors import ModelError, PlannerError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import Provenance
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.planner import Planner

LoadPlanner = Callable[[PlannerConfig, PlanHistory], Planner]
Report = Callable[[str, str], None]

_RETRY_S = 2.0


class ModelManager:
    """The planner in use (None while a hung one is replaced) and the thread that loads the next. Thread-safe."""

    def __init__(self, load: LoadPlanner, config: PlannerConfig, report: Report) -> None:
        """Load the model.

        Args:
            load: Makes a warmed-up planner from a configuration and a plan history; called again to replace a broken one.
            config: May be replaced later by ``configure``.
            report: Called with (source, text) about failures and recoveries.

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
        self.top_speed_mps = planner.top_speed_mps
        self.vehicle_notice = planner.vehicle_notice
        self.source: Provenance = planner.source()
        self.planner: Planner | None = planner
        self.num_replaced = 0
        self._replaced_s = -1e9

    @property
    def config(self) -> PlannerConfig:
        """The configuration in use."""
        return self._config

    @property
    def is_loading(self) -> bool:
        """Whether a planner is being loaded."""
        return self._is_loading

    def check_config(self, config: PlannerConfig) -> str:
        """Return the reason that the model in use cannot plan with a configuration; "" if it can."""
        if config.selection != "rules" and not self.has_scorer:
            return "selection: the model has no scorer; use 'rules', or load a model that has one"
        knows_style = self.contract.score_condition
        return style_refusal(config.driving_style, self.source.model_name, knows_style=knows_style)

    def configure(self, config: PlannerConfig) -> None:
        """Use another configuration from the next cycle on."""
        self._config = config
        planner = self.planner
        if planner is not None:
            planner.config = config

    def replace_hung(self, why: str) -> None:
        """Take a hung planner out of use and load another until that succeeds; returns at once.

        Args:
            why: Reason, for the report.
        """
        with self._lock:
            if self.planner is not None:
                self.planner.memory = PlanHistory()  # a hung one that resumes must not overwrite the shared history
            self.planner = None
        self._begin_loading(why)

    def reload_in_background(self, why: str) -> None:
        """Load another planner while a failing one stays in use, as it may recover; returns at once.

        Args:
            why: Reason, for the report.
        """
        if time.monotonic() - self._replaced_s >= _RETRY_S:
            self._begin_loading(why)

    def _begin_loading(self, why: str) -> None:
        with self._lock:
            if self._is_loading or self._ended.is_set():
                return
            self._is_loading = True
        threading.Thread(target=self._load_again, args=(why,), name="model loader", daemon=True).start()

    def reload(self, load: LoadPlanner | None = None) -> Future[Provenance]:
        """Load a new planner while the old one plans and swap it in; on failure the old one stays in use.

        Args:
            load: Makes it, and replaces broken ones from now on; None keeps the present loader.

        Returns:
            Future of the new provenance, or of a PlannerError.
        """
        outcome: Future[Provenance] = Future()
        with self._lock:
            if self._is_loading:
                outcome.set_exception(ModelError("a model is being loaded already; try again when it is ready"))
                return outcome
            self._is_loading = True
        arguments = (load or self._load, outcome)
        threading.Thread(target=self._load_and_swap, args=arguments, name="model loader", daemon=True).start()
        return outcome

    def end(self) -> None:
        """Release the model and load no other."""
        self._ended.set()
        self.planner = None

    def _load_again(self, why: str) -> None:
        while not self._ended.is_set():
            try:
                self._swap(self._load(self._config, self.memory))
            except Exception as error:  # outermost scope of the thread
                self._report("planner", f"{why}; loading the model again failed: {error}")
                self._ended.wait(_RETRY_S)
                continue
            self.num_replaced += 1
            self._replaced_s = time.monotonic()
            self._report("planner", f"{why}; the model was loaded again")
            return

    def _load_and_swap(self, load: LoadPlanner, outcome: Future[Provenance]) -> None:
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
                self.top_speed_mps = planner.top_speed_mps
                self.has_scorer, self.vehicle_notice = planner.backend.has_scorer, planner.vehicle_notice
