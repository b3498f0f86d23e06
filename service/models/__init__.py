"""Models: what one is, the folder they come from, and which of them answers."""
