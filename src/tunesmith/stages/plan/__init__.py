"""Planning: which method suits these rows, found by measuring on growing subsets of them."""
