"""What the machine computes with: device, number format, threads, each choice with its reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from tunesmith.core.errors import ResourceError


@dataclass(frozen=True, slots=True)
class Choice:
    """An automatic choice and why it was made, for the log and the report."""

    value: str
    reason: str

    def __str__(self) -> str:
        """Return `bf16: the processor has avx512_bf16`."""
        return f"{self.value}: {self.reason}"


def choose_device(wanted: str = "auto") -> torch.device:
    """Return the device to compute on; "auto" takes a GPU where there is one.

    Raises `ResourceError` where the wanted device does not exist.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ResourceError(
            f"device `{wanted}` must exist; got {str(error).splitlines()[0]}",
            hint="--set device=cpu",
        ) from error
    return device


def choose_precision(wanted: str, device: torch.device) -> Choice:
    """Return the number format for matrix products: "fp32" or "bf16"."""
    if wanted != "auto":
        return Choice(wanted, "asked for")
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported()
        return Choice("bf16" if has else "fp32", f"the GPU {'has' if has else 'lacks'} bf16")
    for feature in ("amx_tile", "avx512_bf16"):
        if _cpu_has(feature):
            return Choice("bf16", f"the processor has {feature}")
    return Choice("fp32", "the processor lacks avx512_bf16 and amx")


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Return the context in which a model computes in `precision`."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Compute with `count` threads inside the context, and give the number in force.

    None leaves the setting as it is.
    """
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _cpu_has(feature: str) -> bool:
    probe = getattr(torch.cpu, f"_is_{feature}_supported", None)
    return bool(probe and probe())
