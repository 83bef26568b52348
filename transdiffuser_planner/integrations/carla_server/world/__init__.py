"""The simulated world in CARLA's terms: episode, actors, physics, traffic lights, traffic, map."""
