"""What the build side and the server must agree on. Pure."""
