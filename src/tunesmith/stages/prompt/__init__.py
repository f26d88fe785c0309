"""Prompts: which examples stand in one, in which order, and which prompt of many is the best."""
