"""The stages between rows and results. None knows another; `operations/` joins them."""
