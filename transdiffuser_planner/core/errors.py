"""The error tree: every failure a user can cause or see has a type here and a one-line message.

A message states where, what was expected, what was found and what to do; applications print that line and exit with
status 2. Plain ``assert`` is for bugs of this package only.
"""


class PlannerError(Exception):
    """Base of all errors of this package."""


class ConfigError(PlannerError):
    """A configuration value, file or combination is invalid."""


class ContractError(PlannerError):
    """An array does not have the name, shape, type or range that the model contract states."""


class ModelError(PlannerError):
    """A model folder is incomplete, altered, of another contract version, or fails at inference."""


class InputError(PlannerError):
    """One input message or file holds data that must not be used."""


class RecordingError(PlannerError):
    """A bag cannot be read or written."""


class OutputError(PlannerError):
    """A result cannot be written where it was requested."""


class SimulationError(PlannerError):
    """A map, scenario or the traffic simulation failed."""


class MachineError(SimulationError):
    """A stalled or killed simulation process; the simulation may succeed when it is repeated."""


class EvaluationError(PlannerError):
    """An evaluation cannot be carried out."""


class TrainingError(PlannerError):
    """Training cannot continue: unusable samples, a checkpoint of another recipe, a diverging loss."""
