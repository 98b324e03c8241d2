"""What went wrong on the wire, in the library's own errors: the one place where that is decided."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from wikibot_store._wire._answers import ExhaustedError, Refusal
from wikibot_store.errors import (
    RequestFailedError,
    ThrottledError,
    UnavailableError,
    WikibotStoreError,
    WriteOutcomeUnknownError,
)

UNKNOWN_OPERATION = frozenset({"UnknownOperationException", "UnknownOperation", "NotImplemented"})
"""What engines answer to an operation that they do not have."""

ADVICE = {
    "AccessDeniedException": "the credentials may not do this on table {table!r}",
    "ExpiredTokenException": "the session token has expired: renew the credentials",
    "InvalidSignatureException": "the secret key is wrong, or this machine's clock is",
    "ResourceNotFoundException": "no table {table!r}, or none with this index: `wikibot-store tables create` makes it",
    "UnrecognizedClientException": "the access key is not known here: check the credentials and the region",
}
"""What to do about a refusal, by DynamoDB's error code."""

_UNREACHED = (ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError)
_OTHER_KEYS = "table {table!r} may have been made with other keys: compare it with `wikibot-store tables verify`"


def library_error(
    failure: Refusal | ExhaustedError, operation: str, table: str, key: Mapping[str, str]
) -> WikibotStoreError:
    """Return the library's error for a request that failed for good."""
    if failure.maybe_applied:
        return WriteOutcomeUnknownError(table, key, operation)
    if isinstance(failure, Refusal):
        advice = ADVICE.get(failure.code)
        if failure.code == "ValidationException" and "key" in failure.message.lower():
            advice = _OTHER_KEYS
        message = failure.message if advice is None else f"{failure.message}; {advice.format(table=table)}"
        return RequestFailedError(operation, failure.code, message, failure.request_id)
    error = ThrottledError if failure.throttled else UnavailableError
    return error(operation, failure.attempts, failure.reason, _question(failure.__cause__))


def _question(failure: BaseException | None) -> str:
    """Return what to ask about a failure of the network, nothing for others."""
    return "is the endpoint up and reachable?" if isinstance(failure, _UNREACHED) else ""


@contextmanager
def client_errors() -> Iterator[None]:
    """Turn what the ordinary aiobotocore client raises into the library's errors."""
    try:
        yield
    except ClientError as error:
        details, metadata = error.response["Error"], error.response["ResponseMetadata"]
        raise RequestFailedError(
            error.operation_name, details["Code"], details["Message"], metadata.get("RequestId")
        ) from error
    except BotoCoreError as error:
        raise UnavailableError("the request", 1, str(error), _question(error)) from error
