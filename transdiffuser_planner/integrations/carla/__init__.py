"""CARLA as the planner's world: frames, sensors, route and controls, shared by client, agent and nodes. Imports ros and below."""
