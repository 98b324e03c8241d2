"""What the wire logs: each retry, and the end of a call that failed, with fields for structured logs.

No key, item or other value of a request is logged, and no message of a server or of a provider of credentials: they may
quote secrets. docs/how-to/log.md describes the records.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from botocore.exceptions import BotoCoreError

from wikibot_store._wire._answers import ExhaustedError, NoAnswerError, NotSentError, Progress, Refusal
from wikibot_store._wire._metering import tables_of
from wikibot_store.errors import CorruptItemError

log = logging.getLogger("wikibot_store")
log.addHandler(logging.NullHandler())  # if the application configures no logging, Python would print the warnings

# The classes of the public methods, and the prefixes of the methods' names.
_PUBLIC = {"UserDao": "users.", "WikiDao": "wikis.", "AclDao": "acls.", "AdminDao": "admin.", "WikibotStore": ""}
# The generators that public methods return: the methods themselves are not on the stack while these run.
_GENERATORS = {"_sweep": "admin.sweep", "_adopt": "admin.adopt"}
# The refusals that a conditional write asks for.
_CONDITIONS = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
# A request that serves several point reads may belong to several access patterns.
SHARED = "shared reads"
_NONE = "none"
_inherited: ContextVar[str] = ContextVar("wikibot_store_logged_pattern", default=_NONE)


def log_retry(failure: Exception, progress: Progress, pause: float) -> None:
    """Log that an attempt failed and is retried after a pause."""
    if log.isEnabledFor(logging.INFO):
        fields = _fields(failure, progress) | {"pause": pause}
        log.info(
            "%(operation)s %(table)s (%(access_pattern)s): attempt %(attempt)d failed, next in %(pause).3f s: "
            "%(reason)s",
            fields,
            extra=fields,
        )


def log_failure(failure: Exception, progress: Progress) -> None:
    """Log that a call failed for good; a condition that is not met is no failure."""
    if log.isEnabledFor(logging.WARNING) and not (isinstance(failure, Refusal) and failure.code in _CONDITIONS):
        fields = _fields(failure, progress)
        log.warning(
            "%(operation)s %(table)s (%(access_pattern)s): failed after %(attempt)d attempts: %(reason)s",
            fields,
            extra=fields,
        )


def log_skipped(operation: str, error: CorruptItemError) -> None:
    """Log that an iterator has left out an item that does not decode."""
    fields = {
        "operation": operation,
        "table": error.table,
        "access_pattern": access_pattern(),
        "attempt": 1,
        "reason": error.reason,
        "request_id": None,
    }
    log.warning(
        "%(operation)s %(table)s (%(access_pattern)s): left out an item that does not decode: %(reason)s",
        fields,
        extra=fields,
    )


def log_unprocessed(operation: str, request: Mapping[str, Any], attempt: int, pause: float | None) -> None:
    """Log that DynamoDB has left a part of a batch unprocessed; `pause` is None if it is not sent again."""
    progress = Progress(operation=operation, request=request, writes=False, attempts=attempt)
    failure = NoAnswerError(f"{'items' if operation == 'BatchWriteItem' else 'keys'} were left unprocessed")
    if pause is None:
        log_failure(failure, progress)
    else:
        log_retry(failure, progress, pause)


def log_unconnected(failure: Exception) -> None:
    """Log that connections could not be opened before the first request."""
    log.warning("connections could not be opened in advance: %(reason)s", {"reason": reason_of(failure)})


def _fields(failure: Exception, progress: Progress) -> dict[str, Any]:
    return {
        "operation": progress.operation,
        "table": " ".join(tables_of(progress.request)),
        "access_pattern": access_pattern(),
        "attempt": progress.attempts,
        "reason": reason_of(failure),
        "request_id": failure.request_id if isinstance(failure, Refusal | NoAnswerError) else None,
    }


def reason_of(failure: Exception) -> str:
    """Return the kind of a failure: few different texts, and none that quotes an answer."""
    match failure:
        case Refusal():
            return failure.code
        case NoAnswerError() | ExhaustedError() | NotSentError():
            return str(failure)
        case BotoCoreError():
            cause = failure.__cause__
            return type(failure).__name__ + (f" ({type(cause).__name__})" if cause else "")
        case _:
            return "the answer cannot be read"


def access_pattern() -> str:
    """Return the public method that is running, such as `wikis.get`; "none" outside of them.

    It is looked up on the stack, so that calls pay nothing for it until something is logged. If public methods call
    each other, the outermost one counts.
    """
    found = _inherited.get()
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the way to the callers
    while frame is not None:
        found = _pattern_of(frame) or found
        frame = frame.f_back
    return found


def inherited_pattern() -> str | None:
    """Return the access pattern that this task was created for; None if the caller's is meant."""
    pattern = _inherited.get()
    return None if pattern == _NONE else pattern


def _pattern_of(frame: FrameType) -> str | None:
    if not frame.f_globals.get("__name__", "").startswith("wikibot_store."):
        return None
    if frame.f_code.co_qualname in _GENERATORS:
        return _GENERATORS[frame.f_code.co_qualname]
    owner, _, name = frame.f_code.co_qualname.rpartition(".")
    return f"{_PUBLIC[owner]}{name}" if owner in _PUBLIC and not name.startswith("_") else None


@contextmanager
def working_for(pattern: str) -> Iterator[None]:
    """Let the tasks that are created inside belong to an access pattern: its method is not on their stack."""
    token = _inherited.set(pattern)
    try:
        yield
    finally:
        _inherited.reset(token)
