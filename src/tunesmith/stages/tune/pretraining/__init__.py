"""Learning from text without labels: corpus, windows, what is hidden, the run and its figures."""
