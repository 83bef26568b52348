"""The stages of one planning cycle and its time budget. Imports core, planning and runtime/inference."""
