"""Everything that can drive, behind one interface. Imports simulation and below."""
