"""Which model made a table of scored plans, and for which contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.runtime.inference.manifest import ModelManifest

HASH_SHOWN = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class TableOrigin:
    """A model.

    Attributes:
        model: Its name.
        model_hash: SHA-256 of its manifest.
        contract: Sizes of its tensors.
    """

    model: str
    model_hash: str
    contract: ModelContract

    @staticmethod
    def of(manifest: ModelManifest) -> TableOrigin:
        """Return the origin of tables that a model makes."""
        return TableOrigin(model=manifest.name, model_hash=manifest.model_hash, contract=manifest.contract)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> TableOrigin:
        """Invert ``to_dict``.

        Args:
            data: Result of ``to_dict``.

        Raises:
            ContractError: The contract is not readable.
        """
        contract = ModelContract.from_dict(dict(data["contract"]))
        return TableOrigin(model=str(data["model"]), model_hash=str(data["model_hash"]), contract=contract)

    def to_dict(self) -> dict[str, Any]:
        """JSON-serializable form."""
        return {"model": self.model, "model_hash": self.model_hash, "contract": self.contract.to_dict()}

    def __str__(self) -> str:
        return f"model {self.model} ({self.model_hash[:HASH_SHOWN]})"

    def alike(self) -> TableOrigin:
        """Return the origin without what a model may learn from its own table: to be asked for scores."""
        return replace(self, contract=replace(self.contract, score_condition=False))

    def difference(self, other: TableOrigin) -> str:
        """Describe the first entry of the contracts that differs; the models, where there is none."""
        mine, theirs = self.contract.to_dict(), other.contract.to_dict()
        names = [name for name in mine if mine[name] != theirs[name]]
        if names:
            return f"contract: {names[0]} {mine[names[0]]} and {theirs[names[0]]}"
        return f"models {self.model_hash[:HASH_SHOWN]} and {other.model_hash[:HASH_SHOWN]}"

    def check(self, given: TableOrigin, where: str) -> None:
        """Refuse a table of another model.

        Args:
            given: The model that is to be trained or has made new plans.
            where: The table, named in the message.

        Raises:
            InputError: Model or contract differ; names both.
        """
        if self.alike() != given.alike():
            raise InputError(
                f"scored plans {where}: made by {self}, now given {given} ({self.difference(given)}); "
                "make them again with the model that is given"
            )
