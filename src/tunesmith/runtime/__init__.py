"""A bundle that answers."""
