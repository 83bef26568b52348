"""Finds topics of a bag that cannot be copied to the output bag.

A bag holds one definition of a type. Where the source has another definition of a type that the planner writes, as in
recordings of an older version, copying it would create a bag that cannot be opened.
"""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.definitions import fields_of, typestore
from transdiffuser_planner.messages.encode_outputs import OUTPUT_TYPES
from transdiffuser_planner.replay.output.viewer_transforms import TF_TYPE


def uncopied_topics(bag: BagReader) -> dict[str, str]:
    """Find topics that cannot be copied; most bags have none.

    Args:
        bag: The input bag.

    Returns:
        Topic -> reason.
    """
    written = fields_of(typestore(), *OUTPUT_TYPES.values(), TF_TYPE)
    found = {}
    copied: dict[str, Any] = {}
    for topic, kind in bag.topics().items():
        own = bag.fields(topic)
        other = sorted(name for name, fields in own.items() if written.get(name, fields) != fields)
        several = sorted(name for name, fields in own.items() if copied.get(name, fields) != fields)
        if topic in bag.problems:
            found[topic] = f"{topic}: {bag.problems[topic]}"
        elif bag.definition(topic) is None:
            found[topic] = f"{topic}: its definition of {kind} cannot be written"
        elif other:
            found[topic] = (
                f"{topic}: the bag's definition of {', '.join(other)} differs from this version's, which the planner writes"
            )
        elif several:
            found[topic] = f"{topic}: its definition of {', '.join(several)} differs from that of another topic"
        else:
            copied |= own
    return found
