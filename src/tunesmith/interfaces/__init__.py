"""The doors: Python and the command line. No domain logic."""
