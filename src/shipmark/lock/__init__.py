"""Package -> Lock: everything that determines the bytes of an image."""
