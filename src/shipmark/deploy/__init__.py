"""What should run and what does: Deployment and Status. Pure."""
