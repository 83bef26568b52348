"""Optional graphs of a model folder that read images: classes of the view, states of traffic lights. Imports inference."""
