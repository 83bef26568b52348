"""Random bags with random damage: no exception but the project's own, and every message is read, or counted and named.

Without a checksum a changed byte of a message cannot be noticed: there, a changed message counts as delivered. The storages with
checksums are MCAP files in chunks with CRC; `Layout.detects_changes` names them.
"""

import os
import random
import shutil
import warnings
from collections import Counter

import pytest
from bag_bytes import Layout, messages, write_bag

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.data.bags.bag_reader import BagReader

NUM_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
UNCOUNTED = ("counted nowhere", "ends in the middle", "ends early", "an unknown number", "is missing")


def random_layout(rng):
    storage = rng.choice(("mcap", "mcap", "sqlite3"))
    odd = [
        {},
        {},
        {"storage_identifier": ""},
        {"version": 10},
        {"relative_file_paths": []},
        {"topics_with_message_count": 7},
        None,
    ]
    return Layout(
        storage=storage,
        is_chunked=rng.random() < 0.75,
        compression=rng.choice(("", "", "zstd", "lz4")),
        has_crc=rng.random() < 0.7,
        has_index=rng.random() < 0.7,
        has_summary=rng.random() < 0.8,
        has_statistics=rng.random() < 0.8,
        has_summary_crc=rng.random() < 0.6,
        repeats_channels=rng.random() < 0.8,
        packed=rng.choice(("", "", "", "file", "message")),
        num_files=rng.choice((1, 1, 2, 3)),
        metadata=rng.choice(odd),
        has_counts=rng.random() < 0.6,
        has_time_index=rng.random() < 0.8,
        log=rng.choice(("", "", "wal")) if storage == "sqlite3" else "",
    )


def counts_nowhere(layout, kind):
    """A whole file that is gone, and that neither metadata nor the others' numbers name, leaves no trace."""
    names = layout.metadata is not None and "relative_file_paths" not in layout.metadata
    return kind == "gone" and (layout.log or not names)


def damaged(folder, rng):
    """Damage one file of a bag; returns the kind of damage."""
    kind = rng.choice(("none", "flip", "flip", "flip", "flip", "cut", "cut", "zeros", "gone", "metadata"))
    files = sorted(file for file in folder.iterdir() if file.name != "metadata.yaml")
    file = rng.choice(files)
    if kind == "metadata":
        file = folder / "metadata.yaml"
        if not file.exists():
            return "none"
    data = bytearray(file.read_bytes())
    if kind == "gone":
        file.unlink()
    elif kind == "cut":
        file.write_bytes(data[: rng.randrange(len(data) + 1)])
    elif kind in ("flip", "metadata"):
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
    elif kind == "zeros":
        begin = rng.randrange(len(data) + 1)
        end = min(len(data), begin + rng.randrange(1, 400))
        file.write_bytes(data[:begin] + bytes(end - begin) + data[end:])
    return kind


def examine(seed, folder):
    """Write, damage and read one bag; returns what became of it and what is wrong."""
    rng = random.Random(seed)
    layout = random_layout(rng)
    if layout.packed == "file":
        layout.log = ""
    rows = messages(rng.randrange(1, 40), rng)
    kept = [row for row in rows if rng.random() < 0.9] if rng.random() < 0.15 else rows
    write_bag(folder, kept, layout, claimed=rows)
    claims = layout.metadata is not None and layout.has_counts and "topics_with_message_count" not in layout.metadata
    kind = damaged(folder, rng)
    originals = Counter((row.topic, row.log_ns, row.cdr) for row in (rows if claims and kind != "metadata" else kept))
    try:
        with BagReader(folder) as reader:
            delivered = Counter((m.topic, m.log_time_ns, bytes(m.raw)) for m in reader.messages(decoded=set()))
            named = sum(loss.num_lost for loss in reader.losses) + reader.unreadable.total()
            text = "\n".join(reader.damages)
    except PlannerError as error:
        return f"{kind}: refused", "" if "\n" not in str(error) and str(error) else "refused in several lines"
    missing, changed = originals - delivered, delivered - originals
    if kind == "none" and kept == rows and (missing or text):
        return kind, f"a whole bag is not read: {missing.total()} missing, {text}"
    contents = {
        (log_ns, cdr) for _, log_ns, cdr in originals
    }  # a description that is damaged may rename a topic, and is named
    is_unchecked = "bytes are left out" in text  # messages that were found within a damaged chunk
    if (
        layout.detects_changes
        and kind != "metadata"
        and not is_unchecked
        and any(row[1:] not in contents or not text for row in changed)
    ):
        return kind, f"{changed.total()} changed messages in spite of checksums: {text}"
    if counts_nowhere(layout, kind) and not claims:
        return f"{kind}: counted nowhere", ""
    if missing.total() > named + changed.total() and not any(word in text for word in UNCOUNTED):
        return kind, f"{missing.total()} missing, {named} named, {changed.total()} changed: {text}"
    return f"{kind}: {'complete' if not missing else 'changed' if changed.total() >= missing.total() else 'named'}", ""


@pytest.mark.slow
def test_every_message_of_a_damaged_bag_is_read_or_counted_and_named(tmp_path):
    outcomes, problems = Counter(), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(NUM_EXAMPLES):
            folder = tmp_path / f"bag_{seed}"
            try:
                outcome, problem = examine(seed, folder)
            except Exception as error:
                outcome, problem = "raised", f"{type(error).__name__}: {error}"
            outcomes[outcome] += 1
            if problem:
                problems.append(f"seed {seed}: {outcome}: {problem}")
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{NUM_EXAMPLES} bags: {dict(sorted(outcomes.items()))}")
    assert not problems, "\n".join(problems[:20])
    assert any(outcome.endswith("named") for outcome in outcomes) and any("complete" in outcome for outcome in outcomes)
