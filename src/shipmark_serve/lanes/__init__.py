"""Where inference runs: on the event loop, in threads, or in processes."""
