"""Lock -> Index of images, without a container daemon."""
