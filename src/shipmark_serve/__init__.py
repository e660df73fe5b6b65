"""The data plane: what runs inside every image."""
