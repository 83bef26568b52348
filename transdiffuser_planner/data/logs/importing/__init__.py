"""Writing a drive of any source as a bag with its rig and topic map. Imports data/logs and data/bags."""
