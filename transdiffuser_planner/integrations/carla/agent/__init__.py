"""Agent for CARLA's leaderboard 2 and Bench2Drive. Imports integrations.carla; only transdiffuser_agent imports the leaderboard."""
