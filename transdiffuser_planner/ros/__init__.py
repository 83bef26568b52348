"""Nodes; with integrations the only place that imports rclpy. Imports evaluation and below."""
