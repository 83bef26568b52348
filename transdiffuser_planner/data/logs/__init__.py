"""A recorded drive as values, whatever it was recorded with. Imports data/bags and below."""
