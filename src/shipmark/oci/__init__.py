"""OCI images as data: descriptors, configs, manifests, indexes, layers, layouts. Pure."""
