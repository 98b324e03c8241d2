"""Our signatures are equal to those of botocore."""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from wikibot_store._wire._signer import Signer

NOON = 1_767_355_200.0  # 2026-01-02T12:00:00Z
DAY = 86_400.0


class Keys(NamedTuple):
    """Credentials as they are at one moment."""

    access_key: str = "AKIDEXAMPLE"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    token: str | None = None


class Request(NamedTuple):
    """A request to sign."""

    operation: str = "GetItem"
    body: bytes = b'{"TableName":"users"}'
    keys: Keys = Keys()
    now: float = NOON


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
operations = st.sampled_from(["GetItem", "PutItem", "Query", "BatchGetItem", "TransactWriteItems"])
requests = st.builds(
    Request,
    operations,
    st.binary(),
    st.builds(Keys, words, words, st.none() | st.just("") | words),
    st.floats(0, 4_102_444_800),
)
regions = st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "local"])
hosts = st.sampled_from(
    [
        "dynamodb.eu-central-1.amazonaws.com",
        "LocalHost",
        "127.0.0.1",
        "bücher.example",
        "[::1]",
        "[2001:DB8::8:800:200C:417A]",
    ]
)
ports = st.sampled_from(["", ":", ":80", ":443", ":8000", ":65535", ":0"])
segments = st.sampled_from(
    [
        "",
        ".",
        "..",
        "...",
        "a",
        "tables",
        "a b",
        "%20",
        "%2F",
        "%7e",
        "%",
        "~",
        "é",
        "名前",
        "a+b",
        "a=b",
        "a:b",
        "a;b",
        "a,b",
        "*",
        "@",
        "!$&'()",
    ]
) | st.text("abc/%. ~é", max_size=6)
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts)) | st.just("")
endpoints = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https", "HTTP"]), hosts, ports, paths)


def by_botocore(endpoint: str, region: str, request: Request) -> dict[str, str]:
    """Return the headers that botocore gives to the same request at the same time."""
    target = f"DynamoDB_20120810.{request.operation}"
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
    signed = AWSRequest("POST", endpoint, headers, request.body)
    moment = datetime.fromtimestamp(int(request.now), UTC).replace(tzinfo=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        SigV4Auth(ReadOnlyCredentials(*request.keys), "dynamodb", region).add_auth(signed)
    return dict(signed.headers.items())


def by_us(signer: Signer, request: Request) -> dict[str, str]:
    """Return our headers but Host, which botocore signs and leaves to the HTTP client to send."""
    headers = signer.headers(request.operation, request.body, request.keys, now=request.now)
    assert headers.pop("Host") == signer.host
    return headers


@settings(max_examples=200)
@given(endpoints, regions, requests)
def test_signatures_are_botocores(endpoint: str, region: str, call: Request) -> None:
    """Every header is the one that botocore computes."""
    assert by_us(Signer(endpoint, region), call) == by_botocore(endpoint, region, call)


# Few keys, days and seconds, so that what is cached is used as often as it is renewed.
@given(
    st.lists(
        st.builds(
            Request,
            operations,
            st.binary(max_size=2),
            st.sampled_from([Keys(), Keys(token="t"), Keys(secret_key="other"), Keys(access_key="other")]),
            st.sampled_from([NOON + seconds for seconds in (0, 0.9, 1, DAY, -DAY, -DAY / 2, -DAY / 2 - 0.1)]),
        ),
        max_size=8,
    )
)
def test_one_signer_for_many_requests(calls: list[Request]) -> None:
    """Cached values do not affect later requests, after midnight or with new credentials."""
    endpoint, region = "http://127.0.0.1:8000", "eu-central-1"
    signer = Signer(endpoint, region)

    for call in calls:
        assert by_us(signer, call) == by_botocore(endpoint, region, call)


def test_the_key_is_derived_once_a_second() -> None:
    """The signing key is computed once per second, unless the credentials change."""
    signer = Signer("http://127.0.0.1:8000", "eu-central-1")

    def prepared_for(request: Request) -> object:
        by_us(signer, request)
        return signer._inner

    first = prepared_for(Request())
    assert prepared_for(Request(now=NOON + 0.9, body=b"{}", operation="Query")) is first
    assert prepared_for(Request(now=NOON + 1)) is not first
    second = prepared_for(Request())
    assert prepared_for(Request(keys=Keys(token="another"))) is not second


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://dynamodb.eu-central-1.amazonaws.com", "dynamodb.eu-central-1.amazonaws.com"),
        ("https://Dynamodb.EU-central-1.amazonaws.com:443/", "dynamodb.eu-central-1.amazonaws.com"),
        ("http://localhost:80", "localhost"),
        ("http://localhost:443", "localhost:443"),
        ("https://localhost:80", "localhost:80"),
        ("http://127.0.0.1:8000/tables", "127.0.0.1:8000"),
        ("http://[::1]", "[::1]"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://user:password@localhost:8000", "localhost:8000"),
    ],
)
def test_the_host_header(endpoint: str, host: str) -> None:
    """The signed Host is the one that is sent: in lower case and without the scheme's default port."""
    assert Signer(endpoint, "eu-central-1").headers("GetItem", b"{}", Keys(), now=NOON)["Host"] == host


@pytest.mark.parametrize("token", [None, ""])
def test_no_session_token_no_header(token: str | None) -> None:
    """Permanent credentials have no token to send."""
    headers = Signer("http://localhost", "eu-central-1").headers("GetItem", b"{}", Keys(token=token), now=NOON)

    assert set(headers) == {"Host", "Content-Type", "X-Amz-Date", "X-Amz-Target", "Authorization"}
