"""The wire to DynamoDB: signed JSON over aiobotocore's HTTP session, retried, with errors as values."""

from wikibot_store._wire._answers import CancellationReason, ExhaustedError, Refusal
from wikibot_store._wire._client import Wire
from wikibot_store._wire._failures import UNKNOWN_OPERATION, client_errors, library_error
from wikibot_store._wire._logs import access_pattern, inherited_pattern, log_skipped, working_for
from wikibot_store._wire._open import open_wire
from wikibot_store._wire._pace import Pace
from wikibot_store._wire._retry import Contention
from wikibot_store._wire._session import Session

__all__ = [
    "UNKNOWN_OPERATION",
    "CancellationReason",
    "Contention",
    "ExhaustedError",
    "Pace",
    "Refusal",
    "Session",
    "Wire",
    "access_pattern",
    "client_errors",
    "inherited_pattern",
    "library_error",
    "log_skipped",
    "open_wire",
    "working_for",
]
