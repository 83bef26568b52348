"""Client of a CARLA server: `transdiffuser carla`. Imports integrations.carla; needs CARLA's package."""
