"""Cold processes: `tunesmith --help`, and import to first prediction against a `pipeline` script.

Usage: python benchmarks/startup.py [--runs 9] [--pairs 7] [--bundle BUNDLE]

The prediction needs a bundle; where none is given, a probe is fitted on BANKING77
(`$TUNESMITH_DATA`), or the prediction is left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from compare import Slice, interleave, pin_processors, spread, time_ratios
from record import ROOT, tell
from rivals import named

PROBE = (
    "import sys; from tunesmith.interfaces.cli import app; "
    "print([n for n in ('torch', 'transformers', 'sqlalchemy') if n in sys.modules])"
)
TEXT = "where is my new card?"
SCRIPT = ROOT / "benchmarks" / "rivals" / "pipeline_once.py"
BUNDLE_ROWS = 1000


def main() -> None:
    """Time the help text, then the first prediction of both sides."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9, help="of --help")
    parser.add_argument("--pairs", type=int, default=7, help="of first predictions")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    wanted = parser.parse_args()
    pin_processors(wanted.threads)
    _tell_help(wanted.runs)
    if wanted.bundle is not None:
        _tell_first_prediction(wanted.bundle, pairs=wanted.pairs)
    elif os.environ.get("TUNESMITH_DATA"):
        from bundles import tuned_bundle  # noqa: PLC0415 (imports torch, which --help does not need)

        with tuned_bundle(method="probe", pooling="native", rows=BUNDLE_ROWS) as bundle:
            _tell_first_prediction(bundle, pairs=wanted.pairs)


def _tell_help(runs: int) -> None:
    command = [sys.executable, "-m", "tunesmith", "--help"]
    _time_process(command)  # the first one warms the disk cache
    seconds = spread([_time_process(command).seconds for _ in range(runs)])
    heavy = subprocess.run(
        [sys.executable, "-c", PROBE], check=True, capture_output=True, text=True
    )
    tell(
        "startup",
        measure="--help, median",
        unit="seconds",
        heavy_modules=heavy.stdout.strip(),
        **seconds.to_json(),
    )


def _tell_first_prediction(bundle: Path, *, pairs: int) -> None:
    """Print the seconds of every side and which part of the rival's each form of ours needs."""
    commands = _our_commands(bundle)
    forms = list(commands)
    commands["pipeline"] = [sys.executable, str(SCRIPT), str(bundle / "model"), TEXT]
    for command in commands.values():
        _time_process(command)
    slices = interleave(
        {
            name: lambda _, command=command: _time_process(command)
            for name, command in commands.items()
        },
        pairs=pairs,
    )
    for name, runs in slices.items():
        seconds = spread([run.seconds for run in runs])
        tell("startup", side=name, measure="first prediction", unit="seconds", **seconds.to_json())
    for form in forms:
        tell(
            "startup",
            row=f"startup.pipeline.{form}",
            measure=f"import to first prediction, {form} / pipeline",
            unit="ratio",
            rival=named("transformers"),
            **time_ratios(slices[form], slices["pipeline"]).to_json(),
        )


def _our_commands(bundle: Path) -> dict[str, list[str]]:
    """Return the command of each form; the engine is asked for where there is a choice."""
    from forms import offered_forms  # noqa: PLC0415 (imports torch, which --help does not need)

    forms = offered_forms(bundle, benchmark="startup")
    has_choice = any(form.is_exported for form in forms)
    return {
        form.name: [
            *(sys.executable, "-m", "tunesmith", "predict", str(bundle), TEXT),
            *(("--engine", form.engine, "--precision", form.precision) if has_choice else ()),
        ]
        for form in forms
        if has_choice or form == forms[0]
    }


def _time_process(command: list[str]) -> Slice:
    """Return one run of a program, start to exit. Raises where it fails."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return Slice(1, time.perf_counter() - started)


if __name__ == "__main__":
    main()
