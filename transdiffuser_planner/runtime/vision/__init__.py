"""Optional graphs of a model folder that read pictures: classes of the view, states of traffic lights. Imports inference."""
