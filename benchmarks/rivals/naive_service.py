"""The service that is written in ten lines: FastAPI before transformers' `pipeline`.

Usage: python -m rivals.naive_service FOLDER PORT
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel


class Row(BaseModel):
    """What a client sends."""

    text: str


def make_app(folder: str) -> Any:
    """Return the application, as both libraries' documents write it."""
    from fastapi import FastAPI  # noqa: PLC0415 (an extra of benchmarks)
    from transformers import pipeline  # noqa: PLC0415

    classify = pipeline("text-classification", model=folder)
    app = FastAPI()

    @app.post("/predict")
    def predict(row: Row) -> list[dict[str, Any]]:
        return classify(row.text, truncation=True)

    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(make_app(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
