"""From bags to samples, scenes and scored candidates, without PyTorch. Imports core, messages, planning, metrics and runtime."""
