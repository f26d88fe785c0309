"""Tunesmith: adapt a pretrained language model, prove what it can do, keep it good.

>>> import tunesmith
>>> tunesmith.check("examples/support", task="classification").is_usable  # doctest: +SKIP
True
"""

from tunesmith.core.errors import TunesmithError
from tunesmith.interfaces.python import (
    check,
    env,
    evaluate,
    export,
    fit,
    keys,
    mask,
    plan,
    predict,
    pretrain,
    prompt,
    runs,
    serve,
    stream,
    verify,
    zoo,
)

__all__ = [
    "TunesmithError",
    "check",
    "env",
    "evaluate",
    "export",
    "fit",
    "keys",
    "mask",
    "plan",
    "predict",
    "pretrain",
    "prompt",
    "runs",
    "serve",
    "stream",
    "verify",
    "zoo",
]
