"""Boxes, polygons and exact predicates. Imports core."""
