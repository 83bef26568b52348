"""Ray-cast cameras and LiDAR. Imports simulation/map and core."""
