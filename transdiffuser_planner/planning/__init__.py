"""The algorithm, one step a file, in the order data flows; pure functions and small stateful objects. Imports core."""
