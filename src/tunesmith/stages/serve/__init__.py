"""Bundles behind HTTP: keys, limits, micro-batches, worker processes, metrics.

One process accepts, judges and queues requests; worker processes compute. What an answer is, it is
given: nothing here knows a model. The web framework is imported here and nowhere else.
"""
