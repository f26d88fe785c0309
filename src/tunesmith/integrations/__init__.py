"""Bundles as objects of other libraries. Each is an extra; none is imported unless it is asked for.

They stand beside the doors: all they do is what the operations do.
"""
