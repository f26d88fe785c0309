"""Marking a bundle on data, and the report of it as JSON and as a page."""
