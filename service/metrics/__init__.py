"""What the service counts and measures, for Prometheus: the table of names, the recording, and the folder behind it."""
