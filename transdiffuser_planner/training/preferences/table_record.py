"""Which table of scored plans a run's decoder learns from: ``table.json`` in the run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import ConfigError, TrainingError
from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
from transdiffuser_planner.data.candidates.table_origin import TableOrigin
from transdiffuser_planner.training.recipe import TrainingConfig

RECORD_NAME: Final = "table.json"


def check_table(
    table: ScoredPlans | None, config: TrainingConfig, contract: ModelContract, model: TableOrigin | None
) -> None:
    """Refuse a table that does not belong to what is trained.

    Args:
        table: The table; None without one.
        config: The recipe.
        contract: Contract of the network that is trained.
        model: Exported model that the training starts from; None if it is not known, then only contracts are compared.

    Raises:
        ConfigError: The recipe needs a table and there is none.
        InputError: The table is of another model or contract; names both.
    """
    if table is None:
        if config.preference.needs_table:
            raise ConfigError("recipe: preference has terms that need a table of scored plans; give --table DIR")
        return
    if (config.preference.scored_share > 0.0) != contract.score_condition:
        raise ConfigError("recipe: score_condition and the preference's scored_share go together; set both or none")
    given = model or TableOrigin(model=table.origin.model, model_hash=table.origin.model_hash, contract=contract)
    table.origin.check(given, str(table.drives[0].path.parent))


def keep_table(folder: Path, table: ScoredPlans | None) -> None:
    """Record the table of a run, so that it is resumed with the same one.

    Args:
        folder: Of the run.
        table: The table; None without one.

    Raises:
        TrainingError: The run was begun with another table, or without.
    """
    path, now = folder / RECORD_NAME, _record(table)
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != now:
            raise TrainingError(
                f"run {folder}: begun with {_text(before)}, now with {_text(now)}; give the same --table, or another --out"
            )
    elif table is not None:
        path.write_text(json.dumps(now) + "\n", encoding="utf-8")


def _record(table: ScoredPlans | None) -> dict[str, Any] | None:
    if table is None:
        return None
    origin = table.origin
    return {"model": origin.model, "model_hash": origin.model_hash, "frames": len(table), "drives": len(table.drives)}


def _text(record: dict[str, Any] | None) -> str:
    if record is None:
        return "no table of scored plans"
    return f"a table of {record['frames']} frames of {record['drives']} drives by model {record['model']}"
