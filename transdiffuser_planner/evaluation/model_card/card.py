"""The model card: README.md of a model folder, written from its manifest and from measured results, not by hand.

Results are the JSON files that ``transdiffuser evaluate`` and ``transdiffuser benchmark`` write; they are in the folder
``measured/`` of the model and name the model they measured. ``closed_loop*.json`` are the ``summary.json`` of
``evaluate suite``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.files import read_text, write_text
from transdiffuser_planner.evaluation.closed_loop.result_keys import with_current_keys
from transdiffuser_planner.evaluation.model_card.closed_loop_section import (
    TEST_NOTE,
    VALIDATION_NOTE,
    drives_section,
    scorer_drives_section,
    suite_model_hash,
)
from transdiffuser_planner.evaluation.model_card.comparison_section import table_section
from transdiffuser_planner.evaluation.model_card.sampler_section import sampler_section
from transdiffuser_planner.evaluation.model_card.selection_section import choice_section, tokens_section
from transdiffuser_planner.evaluation.model_card.speed_section import (
    budget_section,
    cycle_section,
    deadline_section,
    node_section,
    precision_section,
    simulator_section,
    when,
)
from transdiffuser_planner.evaluation.model_card.training_section import OLD_SAMPLES, training_section
from transdiffuser_planner.evaluation.open_loop.instructed_candidates import LOGGED
from transdiffuser_planner.evaluation.open_loop.instruction_following import OTHERS
from transdiffuser_planner.reports.markdown_tables import ERROR_COLUMNS, markdown_table
from transdiffuser_planner.runtime.inference.manifest import ModelManifest, load_manifest

MEASURED = "measured"
SAME = 1e-4
"""Largest difference between outputs of one network computed by different graphs."""
NEW_PARTS = ("tokens", "choice", "plan_table", "closed_loop_scorer", "precision", "score_int8")
"""Results that those of the base model cannot replace: it had no action tokens, no scorer, and other int8 graphs."""
PARTS = (
    "closed_loop",
    "closed_loop_test",
    "closed_loop_scorer",
    "open_loop",
    "plan_table",
    "samplers",
    "tokens",
    "choice",
    "planner",
    "deadline_idle",
    "deadline_loaded",
    "node",
    "budget",
    "precision",
    "score_fp32",
    "score_int8",
    "simulator",
)


def write_card(folder: Path) -> Path:
    """Write ``README.md`` into a model folder.

    Args:
        folder: Model folder with ``measured/``.

    Returns:
        Path of the file.

    Raises:
        ModelError: The model folder is incomplete.
        EvaluationError: A result belongs to another model or cannot be read.
    """
    manifest = load_manifest(folder)
    measured = {part: _result(folder / MEASURED / f"{part}.json", manifest) for part in PARTS}
    sections = [
        _head(manifest),
        training_section(manifest),
        drives_section(measured["closed_loop"], "validation scenarios", VALIDATION_NOTE),
        drives_section(measured["closed_loop_test"], "test scenarios", TEST_NOTE),
        _open_loop(measured["open_loop"]),
        table_section(manifest, measured["plan_table"]),
        sampler_section(measured["samplers"]),
        tokens_section(manifest, measured["tokens"]),
        choice_section(manifest, measured["choice"]),
        scorer_drives_section(measured["closed_loop_scorer"]),
        cycle_section(measured["planner"]),
        deadline_section([measured["deadline_idle"], measured["deadline_loaded"]]),
        node_section(measured["node"]),
        budget_section(measured["budget"]),
        precision_section(measured["precision"], [measured["score_fp32"], measured["score_int8"]]),
        simulator_section(measured["simulator"]),
        _limits(),
    ]
    path = folder / "README.md"
    write_text(path, "\n\n".join(section.strip() for section in sections if section) + "\n")
    return path


def _result(path: Path, manifest: ModelManifest) -> dict[str, Any] | None:
    """Read one measured result; None if not measured.

    Raises:
        EvaluationError: The result belongs to another model or cannot be read.
    """
    if not path.is_file():
        return None
    try:
        data: dict[str, Any] = json.loads(read_text(path))
    except ValueError as error:
        raise EvaluationError(f"result {path}: is not JSON ({error}); measure again") from None
    data = _with_current_keys(data)
    is_suite = path.stem.startswith("closed_loop")
    measured = suite_model_hash(data) if is_suite else data.get("model_hash", manifest.model_hash)
    rewritten = manifest.training.get("rewritten_from", {})
    if measured == rewritten.get("model_hash"):
        return data
    before = manifest.training.get("before", {})
    if measured == before.get("model_hash") and before["difference"] <= SAME and path.stem not in NEW_PARTS:
        was = f"measured with model {measured[:12]}, which takes no action tokens; without them both compute the same"
        return data | {"note": f"{data['note'].rstrip('.')}. {was.capitalize()}" if "note" in data else was}
    if measured != manifest.model_hash:
        raise EvaluationError(
            f"result {path}: measured model {measured[:12]}, the folder holds {manifest.model_hash[:12]}; measure again"
        )
    return data


def _with_current_keys(data: dict[str, Any]) -> dict[str, Any]:
    """Return a result of an earlier version with the current keys."""
    if "identities" in data and "planners" in data:
        return with_current_keys(data)
    old = OLD_SAMPLES
    names = {"what was driven": LOGGED, "all others than driven": OTHERS}
    rows = [{"samples" if key == old else key: value for key, value in row.items()} for row in data.get("rows", [])]
    rows = [
        row | {"maneuver": names.get(row["maneuver"], row["maneuver"])} if "maneuver" in row else row for row in rows
    ]
    renamed = {"samples" if key == old and isinstance(value, int) else key: value for key, value in data.items()}
    return renamed | ({"rows": rows} if rows else {})


def _head(manifest: ModelManifest) -> str:
    contract = manifest.contract
    return f"""
# Model `{manifest.folder.resolve().name}`

TransDiffuser of this project at the size `{manifest.name}`: {len(contract.segments)} front cameras in one
{contract.image_width}x{contract.image_height} view, LiDAR as a {contract.lidar_cells}x{contract.lidar_cells} histogram,
{contract.num_plan_steps} poses over {contract.plan_times_s[-1]:g} s for the vehicle and up to {contract.num_agents} agents,
{contract.num_candidates} candidates, trained with T = {contract.num_denoise_steps} denoise steps. Model hash
`{manifest.model_hash[:12]}`.

This page is written by `transdiffuser model-card {manifest.folder.as_posix()}` from the manifest and from the results in
`{MEASURED}/`."""


def _open_loop(data: dict[str, Any] | None) -> str:
    if data is None:
        return "## Open loop\n\nNot measured for this model."
    return f"""
## Open loop, unseen samples

Distance between the planned and the logged rear axle over 4 s (mean) and at 4 s, {data["candidates"]} candidates. "Eventful":
samples in which constant velocity ends more than 4 m off. The oracle knows the future: a bound, not a planner.
{_trained_on(data)}{when(data)}

```
transdiffuser train --stage baselines --model models/tiny --samples data/samples/train \\
    --validation data/samples/validation --out runs/baselines
transdiffuser export runs/baselines --baselines --model models/tiny --samples data/samples/validation
transdiffuser evaluate open-loop --baselines runs/baselines --samples data/samples/validation --limit {data["rows"][0]["samples"]}
```

{markdown_table(data["rows"], ERROR_COLUMNS)}"""


def _trained_on(data: dict[str, Any]) -> str:
    known = data.get("baseline_data")
    return "" if known is None else f"The MLPs and the regression head were trained on {known['samples']} samples. "


def _limits() -> str:
    return """
## Limits

- Trained and measured in this project's simulator only. It was never trained on real images: do not drive a car with it.
- The simulator's images are simple; performance in CARLA was not measured.
- Selection among the candidates uses the planner's own perception, not ground truth."""
