"""Training samples of corrections: sensors at the time, and the correction's execution as the future of ego and agents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.files import PARTIAL, write_text, writing
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.data.samples.sample_builder import DatasetJob, convert
from transdiffuser_planner.data.samples.sample_set import META_NAME, SampleFolder, sample_specs
from transdiffuser_planner.evaluation.rounds.corrections import Correction
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.topic_map import DEFAULT_PRESET, TopicMap, preset_files
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.rewound_episode import RewoundEpisode
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite


class CorrectionWriter:
    """Makes the samples of one drive's corrections in a scratch folder. They pass through a bag, as all samples do.

    Args:
        episode: The rewound drive.
        rig: Vehicle and sensors.
        contract: Sizes of the tensors.
        scratch: Folder for bags and their samples.
    """

    def __init__(self, episode: RewoundEpisode, rig: Rig, contract: ModelContract, scratch: Path) -> None:
        self._episode, self._rig, self._contract, self._scratch = episode, rig, contract, scratch
        self._road_map: RoadMap = episode.load_map()
        scenario = episode.scenario
        self._suite = SensorSuite(self._road_map, rig, scenario.weather, scenario.seed)
        self.folders: list[Path] = []
        self.described: list[dict[str, Any]] = []

    def add(self, correction: Correction) -> None:
        """Make the sample of a correction at the step that the drive has been advanced to.

        Args:
            correction: Found at this step.
        """
        name = f"{len(self.folders):04d}"
        bag = self._scratch / f"bag_{name}"
        self._write_bag(bag, correction)
        topics = TopicMap.load(preset_files(DEFAULT_PRESET)[0])
        out = self._scratch / f"samples_{name}"
        try:
            convert(DatasetJob(bag=bag, out=out, rig=self._rig, topics=topics, contract=self._contract))
        except InputError:
            return  # such as a path that no vehicle should learn
        self.folders.append(out)
        self.described.append(described(correction))

    def _write_bag(self, path: Path, correction: Correction) -> None:
        episode = self._episode
        stream = MessageStream(make_message, self._rig, episode.route, self._road_map)
        past = [step.world for step in episode.recent]
        with BagWriter(path, is_fast=True) as bag:
            for number, world in enumerate([*past, *(step.world for step in correction.execution.steps)]):
                items = list(stream.latched(world.stamp_ns)) if number == 0 else []
                items += stream.state(world)
                if number == len(past) - 1:
                    items += stream.sensors(self._suite.render(world))
                for topic, type_name, message in items:
                    bag.write(topic, type_name, world.stamp_ns, message)


def described(correction: Correction) -> dict[str, Any]:
    """Return a correction as plain values.

    Args:
        correction: To describe.
    """
    failure = correction.failure
    return {
        "kind": failure.kind.value,
        "text": failure.text,
        "failure_s": round(failure.time_s, 1),
        "time_s": round(correction.step * 0.1, 1),
        "score": round(correction.score, 4),
        "own_score": round(correction.own_score, 4),
        "progress_m": round(correction.execution.progress_m, 1),
        "is_own": correction.is_own,
        "distance_m": round(correction.distance_m, 2),
    }


def join_samples(folders: Sequence[Path], out: Path, contract: ModelContract, meta: dict[str, Any]) -> None:
    """Write the samples of several folders as one folder; it appears complete or not at all.

    Args:
        folders: Folders of samples.
        out: New folder.
        contract: Sizes of the tensors.
        meta: Further entries of its description.

    Raises:
        InputError: A folder cannot be read.
        OutputError: The new one cannot be written.
    """
    parts = [SampleFolder.open(folder, contract) for folder in folders]
    partial = out.with_name(out.name + PARTIAL)
    with writing(out, partial):
        partial.mkdir(parents=True, exist_ok=True)
        for name in sample_specs(contract):
            np.save(partial / f"{name}.npy", np.concatenate([np.asarray(part.arrays[name]) for part in parts]))
        kept = {key: parts[0].meta[key] for key in ("vehicle", "lidar_heights_m") if key in parts[0].meta}
        text = json.dumps({**meta, **kept, "counts": {"samples": sum(map(len, parts))}}, indent=1)
        write_text(partial / META_NAME, text + "\n")
        partial.rename(out)
