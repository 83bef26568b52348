"""The model card's section on samplers and numbers of denoise steps."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.evaluation.open_loop.sampler_quality import table


def sampler_section(data: dict[str, Any] | None) -> str:
    """Write the section; "" when it was not measured.

    Args:
        data: Result of 'evaluate samplers', or None.
    """
    if data is None:
        return ""
    return f"""
## Samplers and denoise steps

From the same weights and the same noise, on {data["frames"]} unseen frames of {data["drives"]} drives against recorded traffic,
{data["candidates"]} candidates; means over the drives, in brackets the paired difference from the first row, the chain
of training, with its 95 % interval over draws of drives. Scores in percent. Measured {data["date"]} on {data["machine"]}.

```
transdiffuser evaluate samplers --bags data/bags/validation --samples data/samples/validation --every {data["every"]} \\
    --samplers {" ".join(_words(row["sampler"]) for row in data["rows"])}
```

{table(data["rows"])}"""


def _words(title: str) -> str:
    """The command's word for a row's title, as "ddim:3@0.9" for "ddim, 3 steps at temperature 0.9"."""
    name, _, rest = title.partition(", ")
    steps, _, temperature = rest.partition(" at temperature ")
    return f"{name}:{steps.split()[0]}" + (f"@{temperature}" if temperature else "")
