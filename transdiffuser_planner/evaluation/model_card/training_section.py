"""The model card's section on training: data, commands and recipe of every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transdiffuser_planner.reports.markdown_tables import markdown_table
from transdiffuser_planner.runtime.inference.manifest import ModelManifest

_RECIPES = "transdiffuser_planner/params/recipes"
OLD_SAMPLES = "moments"  # codespell:ignore
"""Word of earlier versions for samples, in results and in the notes of manifests."""

_SETS = {
    "train": "--samples data/samples/train --validation data/samples/validation",
    "export": "--samples data/samples/validation --trained-on data/samples/train",
}


def training_section(manifest: ModelManifest) -> str:
    """Write the section of a model from its manifest."""
    training = manifest.training
    first = training.get("before", training)
    data, recipe = first.get("data", {}), first.get("recipe", {})
    if not data or not recipe:
        return "## Training\n\nThe manifest does not record how this model was trained."
    encoder_loss = training.get("encoder", first).get("recipe", {}).get("loss", {})
    if any(encoder_loss.get(term, 0.0) > 0.0 for term in ("distillation", "denoising")):
        return _continued(manifest)
    note = f"{first['note']}\n" if "note" in first else ""
    last, folder = data["last_seed"] + 1, manifest.folder.as_posix()
    export = f"transdiffuser export runs/tiny {_SETS['export']} --out {folder}"
    return f"""
## Training

In simulation only: {data["bags"]} drives of seeds 0 to {data["last_seed"]} (plain and perturbed variants; drives in which
traffic overlaps or is stationary are skipped), {data["samples"]} samples, {100 * data["share_standing"]:.0f} % of them stationary.
{note}Code: commit `{first.get("commit", "unknown")[:12]}`.{_parity(training)}

```
transdiffuser simulate --record data/bags/train --seeds 0:{last} --variants 3
transdiffuser simulate --record data/bags/validation --seeds 8100:8120 --variants 2
transdiffuser dataset data/bags/train --out data/samples/train
transdiffuser dataset data/bags/validation --out data/samples/validation
transdiffuser train {_SETS["train"]} --out runs/tiny
{export}
```

{_stages(recipe, ("encoder", "decoder", "baselines"))}

Seed {recipe["seed"]}; the rest of the recipe is in `manifest.json`.{_grown(manifest)}"""


def _continued(manifest: ModelManifest) -> str:
    """Write the part on an encoder that was continued from another model's, and on a decoder that was trained on it later."""
    training, folder = manifest.training, manifest.folder.as_posix()
    is_later = "encoder" in training
    first = training["encoder"] if is_later else training
    data, recipe = first["data"], first["recipe"]
    note = f" {first['note']}" if "note" in first and not is_later else ""
    decoder = "was not changed by that" if is_later else "stays as it is"
    view = f"--recipe {_RECIPES}/tiny_view.yaml"
    return f"""
## Training

In simulation only. The encoder was continued from another model's; that model's decoder {decoder}, and a loss keeps the
encoder's tokens readable for it.{note} {data["bags"]} drives of seeds {_seeds(data)}, most of them with sensors and surroundings
drawn by the recording recipe, {data["samples"]} samples, {100 * data["share_standing"]:.0f} % of them stationary.
Code: commit `{first.get("commit", "unknown")[:12]}`.{_parity(training)}

```
transdiffuser simulate --record data/bags/varied --seeds A:B --variants 3 --duration 40 --labels --randomize recording
transdiffuser simulate --record data/bags/plain --seeds C:D --variants 2 --duration 40 --labels
transdiffuser dataset data/bags/varied data/bags/plain {view} --out data/samples/view
transdiffuser train --stage encoder {view} --init-from MODEL \\
    --samples data/samples/view --validation data/samples/validation --out runs/view
transdiffuser export runs/view --samples data/samples/validation --trained-on data/samples/view --weights --out models/view
```

{_stages(recipe, ("encoder",))}

Seed {recipe["seed"]}; the rest of the recipe is in `manifest.json`.{_on_that_encoder(training, folder) if is_later else ""}"""


def _on_that_encoder(training: dict[str, Any], folder: str) -> str:
    """Write the part on the decoder of a model whose encoder is another model's."""
    data, recipe = training["data"], training["recipe"]
    note = f" {training['note']}" if "note" in training else ""
    plain, ranked = f"{_RECIPES}/tiny_view.yaml", f"{_RECIPES}/tiny_view_ranked.yaml"
    sets = "--validation data/samples/validation"
    return f"""

The decoder was trained on the tokens of this encoder afterwards, with action tokens from the start: {data["bags"]}
other drives of seeds {_seeds(data)}, {data["samples"]} samples, {100 * data["share_standing"]:.0f} % of them
stationary; then on scored plans of a part of them ([how](../../docs/how-to/preferences.md)).{note}
Code: commit `{training.get("commit", "unknown")[:12]}`.

```
transdiffuser train --stage decoder --model models/view --init-from models/view --recipe {plain} \\
    --samples data/samples/drives {sets} --out runs/decoder
cp runs/view/*.safetensors runs/decoder/
transdiffuser export runs/decoder --samples data/samples/validation --weights --out models/decoder
transdiffuser score-candidates --model models/decoder --bags data/bags/drives/plain --samples data/samples/drives/plain \\
    --every 2 --plans-only --out data/plans
transdiffuser train --stage decoder --model models/decoder --init-from models/decoder --table data/plans --recipe {ranked} \\
    --samples data/samples/drives/plain {sets} --out runs/ranked
transdiffuser export runs/ranked --model models/view --samples data/samples/validation --trained-on data/samples/drives \\
    --weights --out {folder}
```

{_stages(recipe, ("decoder",))}

The table states the last training; the one before had six epochs and a largest learning rate of 0.0004."""


def _seeds(data: dict[str, Any]) -> str:
    return f"{data['first_seed']} to {data['last_seed']}"


def _grown(manifest: ModelManifest) -> str:
    """Write the part on the later training stages: action tokens and scorer."""
    training, folder = manifest.training, manifest.folder.as_posix()
    if "before" not in training:
        return ""
    data, recipe, before = training["data"], training["recipe"], training["before"]
    stages = ("decoder", "scorer") if "scorer" in manifest.graphs else ("decoder",)
    tokens = f"--recipe {_RECIPES}/tiny_tokens.yaml"
    export = f"transdiffuser export runs/tokens --base-model {folder} {_SETS['export']} --out {folder}"
    commands = f"""cp runs/tiny/encoder.safetensors runs/tiny/normalizer.json runs/tokens/
transdiffuser train --stage decoder --init-from runs/tiny {tokens} \\
    {_SETS["train"]} --out runs/tokens"""
    if "scorer" in manifest.graphs:
        commands += f"""
for first in 0 1; do transdiffuser score-candidates --model {folder} --first $first \\
    --bags data/bags/train --samples data/samples/train --out data/scored/train/$first; done
transdiffuser train --stage scorer {tokens} \\
    --samples data/scored/train --validation data/scored/validation --out runs/tokens"""
    note = f" {training['note'].replace(OLD_SAMPLES, 'samples')}" if "note" in training else ""
    return f"""

Action tokens were trained afterwards, on {data["bags"]} of these drives ({data["samples"]} samples): only the layers that read
them were trained, so without tokens plans equal those of the base model (`{before["model_hash"][:12]}`, largest difference
{before["difference"]:.1e}).{note} Code: commit `{training.get("commit", "unknown")[:12]}`.

```
{commands}
{export}
```

{_stages(recipe, stages)}"""


def _stages(recipe: dict[str, Any], names: Sequence[str]) -> str:
    columns = {"stage": "stage", "epochs": "epochs", "batch_size": "batch", "learning_rate": "largest learning rate"}
    return markdown_table([{"stage": name, **recipe[name]} for name in names if name in recipe], columns)


def _parity(training: dict[str, Any]) -> str:
    found = ", ".join(f"{name} {value:.1e}" for name, value in training.get("parity", {}).items())
    return f" Largest difference between ONNX and PyTorch: {found}." if found else ""
