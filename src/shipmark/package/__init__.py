"""A directory, file or zip -> Package. Nothing of it is executed."""
