"""Data files of the package: rigs, topic maps, training recipes and a profile of the middleware."""

from pathlib import Path

RIGS = Path(__file__).resolve().parent / "rigs"
TOPICS = RIGS.with_name("topics")
RECIPES = RIGS.with_name("recipes")
LARGE_MESSAGES = RIGS.with_name("middleware") / "fastdds_large_messages.xml"
