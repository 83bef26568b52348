"""A planner driving a scenario in lockstep, and the interface it implements. Imports the rest of simulation."""
