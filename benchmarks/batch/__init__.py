"""What a forecast of a large file costs, from file to file, beside others on the same file and processors."""
