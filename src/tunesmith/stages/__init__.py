"""The stages between rows and results; each knows nothing of the others, `operations/` joins them."""
