"""Add int8 graphs to a model folder, and measure how far they shift plans."""

from __future__ import annotations

import argparse
from pathlib import Path

from transdiffuser_planner.cli.output_paths import check_output
from transdiffuser_planner.core.errors import ConfigError

MEASURED = Path("measured/precision.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("model", type=Path, help="model folder made by 'transdiffuser export'")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--samples", type=Path, help="training samples to calibrate on")
    source.add_argument("--random", action="store_true", help="calibrate on random inputs, to measure speed only")
    parser.add_argument("--scenes", type=int, default=128, help="scenes to calibrate on (default: %(default)s)")
    parser.add_argument(
        "--validation", type=Path, help=f"other samples to compare plans on; writes {MEASURED} in the folder"
    )
    parser.add_argument(
        "--validation-scenes", type=int, default=240, help="scenes to compare plans on (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Quantize the graphs, then compare plans.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: A number of scenes is below 1.
    """
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.training.export.quantize import quantize_model, random_scenes, sample_scenes

    if min(args.scenes, args.validation_scenes) < 1:
        raise ConfigError("--scenes and --validation-scenes must be at least 1")
    contract = load_manifest(args.model).contract
    check_output(args.model, "model", is_folder=True)
    if args.random:
        scenes, data = random_scenes(contract, args.scenes), "random inputs"
    else:
        scenes = sample_scenes(SampleSet.open(args.samples, contract), contract, args.scenes)
        data = "training samples"
    results = quantize_model(args.model, scenes, {"data": data, "scenes": len(scenes)})
    for result in results:
        decision = "int8" if result.kept else "stays fp32"
        print(f"{result.name}: {result.fp32_ms:.2f} ms in fp32, {result.int8_ms:.2f} ms in int8: {decision}")
    if args.validation is not None and any(result.kept for result in results):
        _compare(args.model, args.validation, args.validation_scenes)
    return 0


def _compare(model: Path, validation: Path, count: int) -> None:
    """Measure, write and print the shift of plans."""
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.reports.markdown_tables import save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.training.export.quantization_error import measure_shift
    from transdiffuser_planner.training.export.quantize import sample_scenes

    manifest = load_manifest(model)
    scenes = sample_scenes(SampleSet.open(validation, manifest.contract), manifest.contract, count)
    measured = measure_shift(model, scenes, manifest.contract.num_candidates)
    path = model / MEASURED
    head = {"model_hash": manifest.model_hash, "int8_graphs": sorted(manifest.int8_graphs)}
    save_json(path, {**head, **measured})
    shift = measured["shift_m"]
    print(
        f"plans of {measured['scenes']} scenes, same noise: shifted by {shift['mean']:.3f} m on average, "
        f"{shift['p95']:.3f} m at the 95th percentile, {shift['worst']:.2f} m at worst; see {path}"
    )
