"""A bundle's model in a form that answers faster, held to what the model itself answers."""
