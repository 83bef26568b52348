"""Route through a CARLA map, or along GPS points, and guidance along it. Imports integrations.carla and simulation/map."""
