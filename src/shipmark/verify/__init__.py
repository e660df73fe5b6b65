"""Whether a model is what it was said to be; so far: whether it answers well enough."""
