"""What the service can bear: requests a second beside a bare Flask route, latency, memory."""
