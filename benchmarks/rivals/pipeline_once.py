"""A one-file program that answers one text: what `tunesmith predict BUNDLE TEXT` is held against.

Usage: python pipeline_once.py MODEL_FOLDER TEXT
"""

import sys

from transformers import pipeline

print(pipeline("text-classification", model=sys.argv[1], device="cpu")(sys.argv[2]))
