"""The simulator behind CARLA's RPC and streaming protocol of 0.9.16. Imports simulation."""
