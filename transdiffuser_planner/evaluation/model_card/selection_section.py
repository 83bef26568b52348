"""Sections of the model card on action tokens and the scorer."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.evaluation.model_card.speed_section import when
from transdiffuser_planner.evaluation.open_loop.instruction_following import FOLLOWED_M
from transdiffuser_planner.reports.markdown_tables import CHOICE_COLUMNS, TOKEN_COLUMNS, markdown_table
from transdiffuser_planner.runtime.inference.manifest import ModelManifest


def tokens_section(manifest: ModelManifest, data: dict[str, Any] | None) -> str:
    """Write the section on action tokens.

    Args:
        manifest: Manifest of the model.
        data: Result of the measurement; None if not measured.
    """
    size = manifest.contract.codebook_size
    if not size:
        return "## Action tokens\n\nThis model takes none."
    if data is None:
        return f"## Action tokens\n\n{size} tokens; how well plans follow them was not measured."
    error, others = data["reconstruction_m"], next(row for row in data["rows"] if row["maneuver"].startswith("all"))
    plans, interval_s = data["plans_encoded"], manifest.contract.plan_interval_s
    with_tokens, without = (100.0 * others[f"followed_{key}"] for key in ("with", "without"))
    return f"""
## Action tokens

{size} tokens, each a motion of {interval_s:g} s, learnt from logged plans. {plans} unseen logged plans, encoded and
decoded, are reconstructed within {error["ade_mean"]} m (ADE over 4 s, mean; 99th percentile {error["ade_p99"]} m, worst
{error["ade_worst"]} m).

On unseen samples the tokens encode another maneuver that the road allows (it must end 3 m or more from the logged trajectory,
on unoccupied road), and the logged one. The plan is the candidate nearest to the mean; it follows when it ends within
{FOLLOWED_M:g} m of the end of the instructed maneuver. With tokens of another maneuver than the logged one it followed in
{with_tokens:.1f} % of {others["samples"]} samples; without tokens it would have ended there in {without:.1f} %. "Without"
columns: the same samples without tokens.{_guidance(data)} {when(data)}

```
transdiffuser evaluate instructions --model {manifest.folder.as_posix()} --samples data/samples/validation
```

{markdown_table(data["rows"], TOKEN_COLUMNS)}"""


def _guidance(data: dict[str, Any]) -> str:
    return (
        f" Every denoise step guides candidates towards the tokens (`token_guidance_weight` {data['pull']:g})."
        if "pull" in data
        else ""
    )


def choice_section(manifest: ModelManifest, data: dict[str, Any] | None) -> str:
    """Write the section on the gain from the scorer.

    Args:
        manifest: Manifest of the model.
        data: Result of the measurement; None if not measured.
    """
    if "scorer" not in manifest.graphs:
        return "## Scorer\n\nThis model has none: rules choose among the candidates (`selection: rules`)."
    if data is None:
        return "## Scorer\n\nIts gain was not measured."
    count, num_samples, folder = data["candidates"], data["samples"], manifest.folder.as_posix()
    return f"""
## Scorer

Predicts the PDM sub-scores of every candidate from the scene; learnt from the project's own PDM scorer. PDM score v1.1
(percent) of the candidate chosen among {count} in {num_samples} unseen samples, against recorded traffic. The oracle knows
the future: a bound, not a planner. The scorer's candidate is taken by the planner's own selection with `selection: scorer` (rules
are the default), as far as recorded frames hold its inputs: LiDAR points and the previous plan are missing, agents are the
labeled ones.
{when(data)}

```
transdiffuser score-candidates --model {folder} --bags data/bags/validation \\
    --samples data/samples/validation --out data/scored/validation
transdiffuser evaluate selection --model {folder} --plans data/scored/validation
```

{markdown_table(data["rows"], CHOICE_COLUMNS)}"""
