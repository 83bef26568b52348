"""Commands: parse arguments, call, print; one file each. Imports everything."""
