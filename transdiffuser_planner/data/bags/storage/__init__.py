"""Storage files of bags (MCAP, sqlite3, ROS 1): what is in them, as far as they can be read, and what cannot. Imports core."""
