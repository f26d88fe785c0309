"""What guards a service: its audit log, a provider's tokens, the masking of what it is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import SpecError

if TYPE_CHECKING:
    from tunesmith.operations.serve import ServeSpec
    from tunesmith.session import Session
    from tunesmith.stages.serve.auditing import Auditor
    from tunesmith.stages.serve.tokens import TokenReader
    from tunesmith.store.keys import KeyFile


@contextlib.contextmanager
def open_auditor(spec: ServeSpec, keys: KeyFile) -> Iterator[Auditor]:
    """Give what writes the audit log that `spec` names, or nothing where it names none.

    A service that is only checked writes none. Raises what `AuditLog` does.
    """
    from tunesmith.stages.serve.auditing import Auditor
    from tunesmith.store.audit import AuditLog

    if spec.audit_log is None or spec.check:
        yield Auditor()
        return
    log = AuditLog(Path(spec.audit_log), largest_bytes=spec.audit_bytes)
    with contextlib.closing(log):
        yield Auditor(log, keys=keys)


def token_reader(spec: ServeSpec) -> TokenReader | None:
    """Return what judges the tokens of a provider, where `spec` names one.

    Raises `SpecError` where it is named by half, and `DataError` for keys that are none to believe.
    """
    given = {name: getattr(spec, name) for name in ("jwt_keys", "jwt_issuer", "jwt_audience")}
    missing = [name for name, value in given.items() if not value]
    if len(missing) == len(given):
        return None
    if missing:
        raise SpecError(
            [f"`{name}` must be given with the others of a token's issuer" for name in missing],
            hint="--jwt-keys JWKS.json --jwt-issuer URL --jwt-audience NAME",
        )
    from tunesmith.operations.extras import needing

    with needing("jwt", "to take signed tokens"):
        from tunesmith.stages.serve.tokens import TokenReader
    return TokenReader(
        Path(str(spec.jwt_keys)),
        issuer=str(spec.jwt_issuer),
        audience=str(spec.jwt_audience),
    )


def masking_settings(spec: ServeSpec, session: Session) -> dict[str, Any]:
    """Return what a worker must know to mask. Raises `SpecError` where no names can be found."""
    names = None
    if spec.mask_names is not None:
        from tunesmith.operations.masking import person_labels

        bundle = session.workspace.bundle(spec.mask_names)
        person_labels(bundle.task.kind, bundle.task.labels, spec.mask_names)
        names = str(bundle.path)
    return {"mask": spec.mask, "mask_names": names, "mask_numbered": spec.mask_numbered}
