"""Comparison section of the model card: all planners, and ablations of the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transdiffuser_planner.evaluation.model_card.speed_section import when
from transdiffuser_planner.evaluation.open_loop.planner_comparison import OF
from transdiffuser_planner.planners.planner_names import TITLES
from transdiffuser_planner.reports.markdown_tables import PLAN_COLUMNS, markdown_table
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES
from transdiffuser_planner.runtime.inference.manifest import ModelManifest


def table_section(manifest: ModelManifest, data: dict[str, Any] | None) -> str:
    """Write the comparison section, or that it was not measured.

    Args:
        manifest: Manifest of the model.
        data: Result of the comparison; None if not measured.
    """
    if data is None:
        return "## Comparison\n\nNot measured for this model."
    planners = [row for row in data["rows"] if row["row"] in TITLES]
    steps = [row for row in data["rows"] if "@" in row["row"]]
    few = [row for row in data["rows"] if OF in row["row"]]
    ablations = [row for row in data["rows"] if row not in planners + steps + few]
    folder = manifest.folder.as_posix()
    parts = [
        f"""
## Comparison

All planners plan on the same {data["samples"]} samples of {data["drives"]} unseen drives; PDM score v1.1 and its parts in percent
against recorded traffic, with the standard error of its mean; errors against the logged trajectory; D is DiffusionDrive's diversity
of {data["candidates"]} candidates in percent, at most {100.0 * (1.0 - 1.0 / data["candidates"]):.1f}; ms are the median of a plan
on one thread, encoder included, {data["workers"]} processes at once. One sample: the mean over all candidates.
{_trained_on(data["trained_on"], BASELINES, "The MLPs and the regression head were")}{when(data)}

```
transdiffuser export runs/tiny --baselines --model {folder} --samples data/samples/validation
transdiffuser evaluate comparison --model {folder} --baselines runs/tiny --ablations runs/ablations \\
    --bags data/bags/validation --samples data/samples/validation --every {data["every"]} \\
    --out {folder}/measured/plan_table.json
```

{markdown_table(planners, PLAN_COLUMNS)}"""
    ]
    if steps:
        parts.append(f"Other numbers of denoise steps from the same weights:\n\n{markdown_table(steps, PLAN_COLUMNS)}")
    if few:
        parts.append(f"Fewer candidates, D of N candidates:\n\n{markdown_table(few, PLAN_COLUMNS)}")
    if ablations:
        parts.append(_ablations(ablations, data))
    return "\n\n".join(parts)


def _trained_on(counts: dict[str, int], names: Iterable[str], models: str) -> str:
    found = sorted({counts[name] for name in names if name in counts})
    return f"{models} trained on {' to '.join(map(str, found))} samples. " if found else ""


def _ablations(rows: list[dict[str, Any]], data: dict[str, Any]) -> str:
    lines = [
        f"{len(group['rows'])} seeds of `{group['rows'][0]}` differ by {group['pdms']:g} PDMS, {group['ade_m']:g} m ADE and "
        f"{group['diversity']:g} D: smaller differences between rows are not significant."
        for group in data["seed_spread"]
    ]
    names = [row["row"] for row in rows]
    return f"""### Ablations

One sample each, trained on the same frozen encoder from random weights, shorter and on fewer drives than the model above:
compare them with one another only (`params/recipes/ablations_tiny.yaml`). {_trained_on(data["trained_on"], names, "They were")}
{" ".join(lines)} Discussion: [docs/evaluation.md](../../docs/evaluation.md#comparison-of-all-planners).

```
transdiffuser ablate --encoder runs/tiny --samples data/samples/train --validation data/samples/validation --out runs/ablations
```

{markdown_table(rows, PLAN_COLUMNS)}"""
