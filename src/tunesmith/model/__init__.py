"""The only code that imports transformers: backbones, heads, encoding, batching."""
