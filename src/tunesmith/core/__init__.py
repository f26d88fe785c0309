"""Words everybody speaks: records, methods, recipe parts, units and errors.

Nothing here imports more than the standard library and pydantic.
"""
