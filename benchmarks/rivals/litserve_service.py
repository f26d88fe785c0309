"""LitServe before transformers' `pipeline`, with the batching that its documents advise.

Usage: python -m rivals.litserve_service FOLDER PORT
"""

from __future__ import annotations

import sys
from typing import Any

try:
    from litserve import LitAPI, LitServer
except ImportError:  # an extra of benchmarks; its workers must find the class at the top
    LitAPI = LitServer = object

LARGEST_BATCH = 32
BATCH_SECONDS = 0.01


class Classifying(LitAPI):
    """What is asked of the model, as LitServe has it written."""

    folder = ""

    def setup(self, device: str) -> None:
        """Load the model, once a worker."""
        from transformers import pipeline  # noqa: PLC0415 (an extra of benchmarks)

        self.classify = pipeline("text-classification", model=self.folder, device=device)

    def decode_request(self, request: dict[str, str]) -> str:
        """Return the text of a request."""
        return request["text"]

    def predict(self, x: list[str]) -> list[dict[str, Any]]:
        """Return an answer a text; all are computed at once."""
        return self.classify(x, truncation=True, batch_size=len(x))

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return the answer as it is."""
        return output


if __name__ == "__main__":
    asking = Classifying(max_batch_size=LARGEST_BATCH, batch_timeout=BATCH_SECONDS)
    asking.folder = sys.argv[1]
    server = LitServer(asking, accelerator="cpu", timeout=30)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False
    )
