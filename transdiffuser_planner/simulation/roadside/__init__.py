"""What stands beside the streets of a map: parking lanes, parked vehicles, trees, poles, walls. Imports simulation/map, sensors."""
