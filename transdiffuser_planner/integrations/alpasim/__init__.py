"""AlpaSim: the planner behind its egodriver service, and as a model of its driver. Only here are gRPC and its messages imported."""
