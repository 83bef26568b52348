"""Model folder, inference backends and the reference of speed. Imports core; the only folder that imports onnxruntime."""
