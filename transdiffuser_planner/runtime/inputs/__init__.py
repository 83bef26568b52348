"""From single inputs to an aligned snapshot. Imports core and planning."""
