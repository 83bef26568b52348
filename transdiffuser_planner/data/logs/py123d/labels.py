"""Classes of boxes in py123d: each data set keeps its own labels, numbered in alphabetical or its own order."""

from __future__ import annotations

from typing import Final

from transdiffuser_planner.core.agents import AgentClass

_C, _T, _M = int(AgentClass.CAR), int(AgentClass.TRUCK), int(AgentClass.MOTORCYCLE)
_B, _P = int(AgentClass.BICYCLE), int(AgentClass.PEDESTRIAN)


def _classes(**kinds: tuple[int, ...]) -> dict[int, int]:
    """Number of the label -> class of the agent, from the labels of each class."""
    by_name = {"cars": _C, "trucks": _T, "motorcycles": _M, "bicycles": _B, "people": _P}
    return {label: by_name[name] for name, labels in kinds.items() for label in labels}


LABELS: Final[dict[str, dict[int, int]]] = {
    "AV2SensorBoxDetectionLabel": _classes(
        cars=(18,),
        trucks=(1, 5, 6, 10, 11, 17, 19, 23, 24, 25, 26),
        motorcycles=(13, 14),
        bicycles=(2, 3, 28, 29),
        people=(0, 9, 15, 16, 22, 27),
    ),
    "KITTI360BoxDetectionLabel": _classes(
        cars=(3,), trucks=(2, 4, 14, 15, 17), motorcycles=(6,), bicycles=(0, 9), people=(7,)
    ),
    "NuPlanBoxDetectionLabel": _classes(cars=(0,), bicycles=(1,), people=(2,)),
    "NureasoningBoxDetectionLabel": _classes(
        cars=(0,), trucks=(7, 8), motorcycles=(9,), bicycles=(1, 10), people=(2, 11)
    ),
    "NuScenesBoxDetectionLabel": _classes(
        cars=(0, 6), trucks=(1, 2, 3, 4, 5, 7), motorcycles=(9,), bicycles=(8,), people=(10, 11, 12, 13, 14, 15, 16, 22)
    ),
    "PandasetBoxDetectionLabel": _classes(
        cars=(4, 7, 13, 17),
        trucks=(3, 8, 11, 21, 24, 25, 26),
        motorcycles=(9, 10),
        bicycles=(2, 12, 16),
        people=(1, 14, 15),
    ),
    "WODPerceptionBoxDetectionLabel": _classes(cars=(1,), people=(2,), bicycles=(4,)),
    "WODMotionBoxDetectionLabel": _classes(cars=(1,), people=(2,), bicycles=(3,)),
    "PhysicalAIAVBoxDetectionLabel": _classes(cars=(0, 4), trucks=(2, 3, 8, 10, 11), bicycles=(6,), people=(1, 7, 9)),
    "GriffinBoxDetectionLabel": _classes(cars=(1,), trucks=(2, 3), motorcycles=(4,), bicycles=(5,), people=(0,)),
    "DefaultBoxDetectionLabel": _classes(cars=(1,), trucks=(2,), bicycles=(3,), people=(4, 5)),
}
"""Name of the label class -> number of the label -> AgentClass; labels that are no agents are absent."""
RIDERS: Final[dict[str, tuple[int, ...]]] = {
    "AV2SensorBoxDetectionLabel": (3, 14, 29),
    "KITTI360BoxDetectionLabel": (9,),
}
"""Labels of persons on a vehicle that has a box of its own."""
ONE_VEHICLE_LABEL: Final = (
    "NuPlanBoxDetectionLabel",
    "WODPerceptionBoxDetectionLabel",
    "WODMotionBoxDetectionLabel",
    "DefaultBoxDetectionLabel",
)
