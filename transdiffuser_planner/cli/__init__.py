"""The commands: parse arguments, call, print. Imports everything."""
