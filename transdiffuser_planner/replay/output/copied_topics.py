"""Which of a bag's topics cannot be copied beside the planner's plans, and why.

A bag holds one definition of a type. Where the source's definition of a type that the planner writes is another one, as in
recordings of an older version, copying it would leave a bag that nobody can open.
"""

from __future__ import annotations

from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.definitions import fields_of, typestore
from transdiffuser_planner.messages.encode_outputs import OUTPUT_TYPES
from transdiffuser_planner.replay.output.viewer_transforms import TF_TYPE


def uncopied_topics(bag: BagReader) -> dict[str, str]:
    """Topic -> why its messages stay behind; most bags have none."""
    written = fields_of(typestore(), *OUTPUT_TYPES.values(), TF_TYPE)
    found = {}
    for topic, kind in bag.topics().items():
        held = bag.fields(topic)
        other = sorted(name for name, fields in held.items() if written.get(name, fields) != fields)
        if not held:
            found[topic] = f"{topic}: its type {kind} is defined neither in the bag nor here"
        elif other:
            found[topic] = (
                f"{topic}: the bag defines {', '.join(other)} otherwise than this version, which writes it too"
            )
    return found
