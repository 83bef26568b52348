"""What stands next to the streets of a map: parking lanes, parked vehicles, trees, poles, walls."""
