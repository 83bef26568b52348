"""Adapters to other projects. Imports everything but cli."""
