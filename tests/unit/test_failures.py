"""Failures of a request become the library's errors."""

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from wikibot_store import (
    RequestFailedError,
    ThrottledError,
    UnavailableError,
    WikibotStoreError,
    WriteOutcomeUnknownError,
)
from wikibot_store._wire import CancellationReason, ExhaustedError, Refusal, client_errors, library_error
from wikibot_store._wire._answers import ErrorBody, NoAnswerError, Progress, refusal_in, reply_in, verdict_on
from wikibot_store._wire._failures import ADVICE
from wikibot_store._wire._protocol import Answer
from wikibot_store._wire._retry import Verdict

KEY = {"owner_id": "u-1", "wiki_slug": "notes"}


def refusal(code: str = "ValidationException", *, message: str | None = "no") -> Refusal:
    """Return a refusal as DynamoDB sends it."""
    body = ErrorBody(type=f"com.amazonaws.dynamodb.v20120810#{code}", message=message)
    return Refusal("PutItem", 400, "r-1", body)


def exhausted(*, throttled: bool = False, maybe_applied: bool = False) -> ExhaustedError:
    """Return the error after three failed attempts."""
    progress = Progress(operation="PutItem", writes=True, attempts=3, maybe_applied=maybe_applied)
    return ExhaustedError(progress, "it was down", throttled=throttled)


def translated(failure: Refusal | ExhaustedError) -> WikibotStoreError:
    """Return the library's error for a failed PutItem on one table and key."""
    return library_error(failure, "PutItem", "dev-wikis", KEY)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDeniedException", "the credentials may not do this on table 'dev-wikis'"),
        ("ExpiredTokenException", "renew the credentials"),
        ("InvalidSignatureException", "the secret key is wrong, or this machine's clock is"),
        ("ResourceNotFoundException", "no table 'dev-wikis', or none with this index: `wikibot-store tables create`"),
        ("UnrecognizedClientException", "check the credentials and the region"),
    ],
)
def test_a_refusal_with_advice(code: str, advice: str) -> None:
    """The message holds DynamoDB's own message, then advice, with the table's name if that helps."""
    error = translated(refusal(code))

    assert isinstance(error, RequestFailedError)
    assert (error.operation, error.code, error.request_id) == ("PutItem", code, "r-1")
    assert error.message.startswith("no; ")
    assert advice in error.message


@pytest.mark.parametrize(
    "message",
    [
        "The provided key element does not match the schema",
        "One or more parameter values were invalid: Missing the key id in the item",
        "Query condition missed key schema element: owner_id",
    ],
)
def test_a_table_with_other_keys(message: str) -> None:
    """A request that does not match the table's keys gets the advice to compare the table with the schema."""
    error = translated(refusal(message=message))

    assert isinstance(error, RequestFailedError)
    assert error.message.startswith(f"{message}; table 'dev-wikis' may have been made with other keys: ")


@pytest.mark.parametrize("body", [b"", b"[]", b"}", b"\xff{}", b"<html>"])
def test_what_is_no_reply(body: bytes) -> None:
    """A reply is an object of JSON; anything else is none, even with DynamoDB's headers."""
    headers = {"x-amzn-requestid": "r-1"}

    assert reply_in(Answer(200, headers, body)) is None
    assert reply_in(Answer(200, headers, b"{}")) == b"{}"


def test_all_advice_is_tested() -> None:
    """The test of the advice covers all error codes that have advice."""
    (mark,) = test_a_refusal_with_advice.pytestmark  # type: ignore[attr-defined]

    assert {code for code, _ in mark.args[1]} == set(ADVICE)


@pytest.mark.parametrize("code", ["ItemCollectionSizeLimitExceededException", "ValidationException"])
def test_a_refusal_without_advice(code: str) -> None:
    """Without advice, the message is DynamoDB's own."""
    error = translated(refusal(code))

    assert isinstance(error, RequestFailedError)
    assert error.args == ("PutItem", code, "no", "r-1")


def test_a_throttled_call() -> None:
    """A call that is throttled at every attempt raises ThrottledError."""
    error = translated(exhausted(throttled=True))

    assert type(error) is ThrottledError
    assert error.args == ("PutItem", 3, "it was down", "")


def test_an_unanswered_call() -> None:
    """A call without a usable answer raises UnavailableError."""
    error = translated(exhausted())

    assert type(error) is UnavailableError
    assert error.args == ("PutItem", 3, "it was down", "")


@pytest.mark.parametrize("throttled", [False, True])
def test_a_write_that_may_have_been_applied(*, throttled: bool) -> None:
    """A write whose answer was lost raises WriteOutcomeUnknownError."""
    error = translated(exhausted(throttled=throttled, maybe_applied=True))

    assert isinstance(error, WriteOutcomeUnknownError)
    assert (error.table, error.key, error.operation) == ("dev-wikis", KEY, "PutItem")


def test_a_refusal_after_a_lost_answer() -> None:
    """A write that is refused after a lost answer has an unknown outcome too."""
    failure = refusal("ConditionalCheckFailedException")
    failure.maybe_applied = True

    assert isinstance(translated(failure), WriteOutcomeUnknownError)


def test_a_refusal_is_a_client_error() -> None:
    """A refusal has the attributes of botocore's ClientError, for programs that inspect the cause."""
    failure = refusal("ResourceNotFoundException")

    assert isinstance(failure, ClientError)
    assert failure.operation_name == "PutItem"
    assert failure.response["Error"] == {"Code": "ResourceNotFoundException", "Message": "no"}
    assert failure.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert failure.response["ResponseMetadata"]["RequestId"] == "r-1"
    assert not failure.maybe_applied


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (ErrorBody(type="com.amazon.coral.validate#ValidationException", message="m"), "ValidationException", "m"),
        (ErrorBody(type="ValidationException", message_capital="M"), "ValidationException", "M"),
        (ErrorBody(type="ValidationException"), "ValidationException", "no message"),
        (ErrorBody(message="m"), "HTTP 400", "m"),
        (
            ErrorBody(type="ValidationException:http://internal.amazon.com/coral/x/"),
            "ValidationException",
            "no message",
        ),
        (ErrorBody(type="a.b#ValidationException:http://internal#x/"), "ValidationException", "no message"),
    ],
)
def test_the_words_of_a_refusal(body: ErrorBody, code: str, message: str) -> None:
    """Code and message are found in every member that may hold them."""
    failure = Refusal("PutItem", 400, None, body)

    assert (failure.code, failure.message, failure.request_id) == (code, message, None)
    assert failure.response["ResponseMetadata"]["RequestId"] == ""


def test_a_refused_signature_does_not_quote_the_request() -> None:
    """The message ends before the part that quotes the request with its session token."""
    words = "The signature does not match. The Canonical String for this request should have been\n'POST\ntoken'"
    failure = Refusal("PutItem", 403, None, ErrorBody(type="InvalidSignatureException", message=words))

    assert failure.message == "The signature does not match."
    assert "token" not in str(failure)


def test_a_refusal_carries_what_it_collided_with() -> None:
    """A refusal holds the stored item or the reasons of a cancelled transaction."""
    reasons = [CancellationReason(), CancellationReason(code="ConditionalCheckFailed", item={"id": {"S": "u-1"}})]
    failure = Refusal("PutItem", 400, None, ErrorBody(type="X", item={"id": {"S": "u-2"}}, reasons=reasons))

    assert failure.item == {"id": {"S": "u-2"}}
    assert [(reason.code, reason.item) for reason in failure.reasons] == [
        ("None", None),
        ("ConditionalCheckFailed", {"id": {"S": "u-1"}}),
    ]


@pytest.mark.parametrize(
    ("members", "reasons"),
    [
        (b'"CancellationReasons": null', []),
        (
            b'"CancellationReasons": [null, {"Code": null, "Item": null}, {"Code": "TransactionConflict"}]',
            [
                "None",
                None,
                "TransactionConflict",
            ],
        ),
        (b'"message": null, "Message": null, "Item": null', []),
    ],
    ids=["reasons", "a reason", "others"],
)
def test_members_that_are_null(members: bytes, reasons: list[str | None]) -> None:
    """A member that is null counts as absent; the refusal keeps its code."""
    answer = Answer(400, {}, b'{"__type": "a#TransactionCanceledException", %b}' % members)

    failure = refusal_in("TransactWriteItems", answer, 0.0)

    assert isinstance(failure, Refusal)
    assert failure.code == "TransactionCanceledException"
    assert [reason.code for reason in failure.reasons] == reasons
    assert verdict_on(failure) is (Verdict.HARMLESS if reasons else Verdict.FINAL)


@pytest.mark.parametrize("error_type", ["null", '""', '"#"', '":http://x/"'])
def test_an_error_without_a_code(error_type: str) -> None:
    """What names no error is not an answer of DynamoDB."""
    failure = refusal_in("GetItem", Answer(400, {}, f'{{"__type": {error_type}}}'.encode()), 0.0)

    assert isinstance(failure, NoAnswerError)


@pytest.mark.parametrize("metadata", [{"RequestId": "r-1"}, {}])
def test_client_errors_of_the_ordinary_client(metadata: dict[str, str]) -> None:
    """A ClientError of the ordinary client becomes the cause of a library error."""
    response = {"Error": {"Code": "LimitExceededException", "Message": "too many"}, "ResponseMetadata": metadata}
    original = ClientError(response, "CreateTable")  # type: ignore[arg-type]

    with pytest.raises(RequestFailedError) as caught, client_errors():
        raise original

    assert caught.value.args == ("CreateTable", "LimitExceededException", "too many", metadata.get("RequestId"))
    assert caught.value.__cause__ is original


@pytest.mark.parametrize("original", [EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), NoCredentialsError()])
def test_no_answer_to_the_ordinary_client(original: BotoCoreError) -> None:
    """A connection error of the ordinary client becomes the cause of an UnavailableError."""
    with pytest.raises(UnavailableError, match=str(original)) as caught, client_errors():
        raise original

    assert caught.value.__cause__ is original


@pytest.mark.parametrize("error", [KeyError("x"), UnavailableError("GetItem", 1, "down")])
def test_other_errors_pass(error: Exception) -> None:
    """Other errors, and errors of the library, are not changed."""
    with pytest.raises(type(error)) as caught, client_errors():
        raise error

    assert caught.value is error


def test_nothing_wrong_nothing_raised() -> None:
    """Without an error nothing happens."""
    with client_errors():
        done = True

    assert done
