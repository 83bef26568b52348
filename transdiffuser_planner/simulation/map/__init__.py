"""Road networks, routes and generated towns. Imports core."""
