"""OpenDRIVE files as SUMO networks: read, converted to plain XML, and checked. Imports core and simulation/map."""
