"""Lanelet2 maps: reading the .osm file, center lines, and routes as polylines. Imports core."""
