"""Data files of the package: rigs, topic maps and training recipes."""

from pathlib import Path

RIGS = Path(__file__).resolve().parent / "rigs"
TOPICS = RIGS.with_name("topics")
RECIPES = RIGS.with_name("recipes")
