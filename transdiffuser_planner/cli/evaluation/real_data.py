"""The commands 'evaluate images', 'lamps', 'sweeps' and 'clouds': real sensor data, and what the model sees in it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transdiffuser_planner.cli.output_paths import OutputFile, OutputFolder

if TYPE_CHECKING:
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.messages.topic_map import TopicMap


def add_kinds(kinds: Any) -> None:
    """Add the options of the commands.

    Args:
        kinds: The subparsers of 'evaluate'.
    """
    part = kinds.add_parser(
        "images",
        help="intersection over union of the view's classes on labeled images (folders laid out as CamVid)",
    )
    part.add_argument("folder", type=Path, metavar="FOLDER", help="pairs NAME.png and NAME.label.png")
    part.add_argument("--field-of-view", type=float, default=60.0, metavar="DEG", help="of the images, horizontal")
    part.add_argument(
        "--horizon", type=float, default=0.5, metavar="SHARE", help="its height from the top (default: %(default)s)"
    )
    part.add_argument("--whole", action="store_true", help="shrink images until all their rows are in the view")
    _common(part)
    part = kinds.add_parser("lamps", help="share of correct states on crops of real traffic lights' heads")
    part.add_argument("folder", type=Path, metavar="FOLDER", help="crops in folders red, amber or yellow, green, off")
    part.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    part.add_argument(
        "--half",
        choices=("all", "first", "second"),
        default="all",
        help="every other crop: 'train --stage lamps' learns from the first half, the second is unseen (default: all)",
    )
    part.add_argument("--out", type=OutputFile, help="write the results as JSON")
    part = kinds.add_parser(
        "sweeps", help="vehicles and road in single LiDAR sweeps of drives with ground truth, without cameras"
    )
    _drives(part)
    _common(part)
    part = kinds.add_parser(
        "clouds",
        help="points of LiDAR sweeps by height and distance, to compare sensors and the simulator with real ones",
    )
    _drives(part)
    part.add_argument("--out", type=OutputFile, help="write the results as JSON")


def _drives(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "drives",
        type=Path,
        nargs="+",
        metavar="BAG",
        help="recorded drives, or folders of them; for 'sweeps' with boxes of the agents",
    )
    part.add_argument(
        "--preset", help="topics and rig of a known source (default: those in the drive's folder, else carla)"
    )
    part.add_argument("--topics", type=Path, metavar="FILE", help="topic map YAML instead of the preset's")
    part.add_argument("--rig", type=Path, metavar="FILE", help="rig YAML instead of the preset's")
    part.add_argument("--source", default="rosbag", help="log source (default: %(default)s)")
    part.add_argument("--every", type=int, default=1, metavar="N", help="every N-th sweep (default: %(default)s)")


def _common(part: argparse.ArgumentParser) -> None:
    part.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    part.add_argument("--drawings", type=OutputFolder, metavar="DIR", help="draw what was seen, one PNG each")
    part.add_argument("--threads", type=int, default=2, help="threads of the model (default: %(default)s)")
    part.add_argument("--out", type=OutputFile, help="write the results as JSON")


def run_images(args: argparse.Namespace) -> int:
    """Segment all images and print the table.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: An option is out of range.
    """
    import numpy as np
    from PIL import Image
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import ConfigError
    from transdiffuser_planner.evaluation.real_data.labeled_images import ImageEvaluation, Lens, find_pairs, read_pair
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.vision.view_segmenter import ViewSegmenter

    if not 10.0 <= args.field_of_view <= 150.0 or not 0.0 <= args.horizon <= 1.0:
        raise ConfigError("--field-of-view must lie in 10 .. 150 degrees and --horizon in 0 .. 1")
    pairs = find_pairs(args.folder)
    lens = Lens(field_of_view_rad=float(np.deg2rad(args.field_of_view)), horizon=args.horizon, whole=args.whole)
    evaluation = ImageEvaluation(ViewSegmenter(load_manifest(args.model), args.threads), lens)
    for image, label in tqdm(pairs, unit="image", file=sys.stderr):
        drawing = evaluation.add(*read_pair(image, label))
        if args.drawings is not None:
            args.drawings.mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawing).save(args.drawings / image.name)
    return _report(args, evaluation.scores.to_json())


def run_lamps(args: argparse.Namespace) -> int:
    """Classify all crops and print the table.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    import numpy as np

    from transdiffuser_planner.core.types import SignalState
    from transdiffuser_planner.data.lamps.lamp_crops import read_crops
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.vision.lamp_reader import LampReader

    reader = LampReader(load_manifest(args.model))
    crops = read_crops(args.folder, args.half)
    found, _ = reader.states(list(crops.image_N3HW.transpose(0, 2, 3, 1)))
    right = np.asarray(found) == crops.state_N
    values: dict[str, float] = {"crops": len(crops), "accuracy": float(right.mean())}
    for state in SignalState:
        if (crops.state_N == int(state)).any():
            values[f"accuracy_{state.name.lower()}"] = float(right[crops.state_N == int(state)].mean())
    return _report(args, values)


def run_sweeps(args: argparse.Namespace) -> int:
    """Measure all sweeps and print the table.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.real_data.sweep_drawing import draw_sweep
    from transdiffuser_planner.evaluation.real_data.sweeps import SweepScores, see
    from transdiffuser_planner.evaluation.real_data.sweeps_of_log import read_sweeps
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

    _check_every(args)
    backend = OnnxBackend(load_manifest(args.model), args.threads)
    contract, scores = backend.manifest.contract, SweepScores()
    for path in tqdm(_found_drives(args), unit="drive", file=sys.stderr):
        for sweep in read_sweeps(path, *_topics_and_rig(args, path), args.source, contract, args.every):
            seen = see(backend, sweep.points_N3)
            verdict = scores.add(sweep, seen, contract)
            if args.drawings is not None:
                args.drawings.mkdir(parents=True, exist_ok=True)
                draw_sweep(args.drawings / f"{sweep.name}.png", sweep, seen, verdict, contract)
    return _report(args, scores.to_json())


def run_clouds(args: argparse.Namespace) -> int:
    """Describe the point clouds of all drives and print the mean over sweeps.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        EvaluationError: There is no point cloud.
    """
    import numpy as np
    from tqdm import tqdm

    from transdiffuser_planner.core.contract import TINY
    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.evaluation.real_data.cloud_statistics import cloud_statistics
    from transdiffuser_planner.evaluation.real_data.sweeps_of_log import read_clouds
    from transdiffuser_planner.planning.observation.lidar_bev import cloud_in_base

    _check_every(args)
    rows: list[dict[str, float]] = []
    for path in tqdm(_found_drives(args), unit="drive", file=sys.stderr):
        topics, rig = _topics_and_rig(args, path)
        _, clouds = read_clouds(path, topics, rig, args.source, args.every)
        rows += [cloud_statistics(cloud_in_base(cloud, rig), TINY) for cloud in clouds]
    if not rows:
        raise EvaluationError(f"{', '.join(str(path) for path in args.drives)}: no point cloud that can be read")
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return _report(args, {"sweeps": len(rows), **means})


def _found_drives(args: argparse.Namespace) -> list[Path]:
    from transdiffuser_planner.data.samples.convert_bags import find_bags

    return find_bags(args.drives) if args.source == "rosbag" else list(args.drives)


def _check_every(args: argparse.Namespace) -> None:
    """Check the option.

    Raises:
        ConfigError: It is out of range.
    """
    from transdiffuser_planner.core.errors import ConfigError

    if args.every < 1:
        raise ConfigError("--every must be 1 or more")


def _topics_and_rig(args: argparse.Namespace, drive: Path) -> tuple[TopicMap, Rig]:
    """Topic map and rig of a drive: those given, else its own, else the preset's."""
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.messages.topic_map import TopicMap, files_for

    topics, rig = files_for(drive, args.preset)
    return TopicMap.load(args.topics or topics), Rig.load(args.rig or rig)


def _report(args: argparse.Namespace, values: dict[str, float]) -> int:
    """Print the values as a Markdown table and write them where requested."""
    from transdiffuser_planner.reports.markdown_tables import save_json

    print("| measured | value |\n| --- | --- |")
    for name, value in values.items():
        print(f"| {name.replace('_', ' ')} | {value if isinstance(value, int) else f'{value:.3f}'} |")
    if args.out is not None:
        model = {"model": args.model.name} if hasattr(args, "model") else {}
        save_json(args.out, model | values)
    return 0


KINDS = {"images": run_images, "lamps": run_lamps, "sweeps": run_sweeps, "clouds": run_clouds}
