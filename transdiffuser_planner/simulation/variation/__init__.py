"""What differs from drive to drive of a recording: sensors, roadside, ground. Imports simulation/map, sensors and core."""
