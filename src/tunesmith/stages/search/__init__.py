"""Searching settings: what was tried, and the study that says what to try next."""
