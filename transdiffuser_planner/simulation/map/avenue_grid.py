"""Generator of a small district of avenues as SUMO's plain XML: room for a hundred road users within 80 m."""

from __future__ import annotations

NUM_AVENUES = 3
SPACING_M = 100.0
NUM_LANES = 2
SPEED_MPS = 50.0 / 3.6


def avenues_xml() -> tuple[str, str]:
    """Generate the plain XML of a square grid of avenues with sidewalks, and signals at every crossing.

    Returns:
        Text of the .nod.xml and of the .edg.xml file.
    """
    nodes, edges = ["<nodes>"], ["<edges>"]
    for row in range(NUM_AVENUES):
        for column in range(NUM_AVENUES):
            x, y = column * SPACING_M, row * SPACING_M
            nodes.append(f'  <node id="n{column}_{row}" x="{x:.1f}" y="{y:.1f}" type="traffic_light"/>')
            if column + 1 < NUM_AVENUES:
                edges += _avenue(f"n{column}_{row}", f"n{column + 1}_{row}")
            if row + 1 < NUM_AVENUES:
                edges += _avenue(f"n{column}_{row}", f"n{column}_{row + 1}")
    return "\n".join([*nodes, "</nodes>\n"]), "\n".join([*edges, "</edges>\n"])


def _avenue(first: str, second: str) -> list[str]:
    """Return the edges of both directions."""
    common = (
        f'numLanes="{NUM_LANES}" speed="{SPEED_MPS:.2f}" priority="3" width="3.3" sidewalkWidth="3.0" '
        'bikeLaneWidth="1.6" spreadType="right"'
    )
    return [
        f'  <edge id="{start}-{end}" from="{start}" to="{end}" {common}/>'
        for start, end in ((first, second), (second, first))
    ]
