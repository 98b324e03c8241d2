"""Credentials that expire, that do not come, and that cannot be used."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import get_session
from botocore import credentials as botocore_credentials
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoRegionError,
    RefreshWithMFAUnsupportedError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from tests.sessions import expiring_credentials, session_of, session_with
from tests.wire.scripted_server import Exchange, ScriptedServer, http, reply, scripted_server, sent
from wikibot_store import ConfigurationError, StoreConfig, UnavailableError, WikibotStore
from wikibot_store._wire._credentials import UnusableCredentialsError

Renewal = Callable[[], Awaitable[dict[str, str]]]

_EXPIRED, _MANDATORY, _ADVISORY, _LATER = -1, 5 * 60, 12 * 60, 60 * 60


def _metadata(number: int, *, expires_in: float) -> dict[str, str]:
    expiry = datetime.now(UTC) + timedelta(seconds=expires_in)
    return {
        "access_key": f"AKID{number}",
        "secret_key": "secret",
        "token": f"token-{number}",
        "expiry_time": expiry.isoformat(),
    }


class _Rotation:
    """A source of temporary credentials: first it fails, then it gives new ones each time that it is asked.

    `gate` holds it up. The defaults are so close to their end that botocore wants new ones before each request.
    """

    def __init__(self, *failures: Exception, expires_in: float = _MANDATORY) -> None:
        self.issued = 0
        self.asked = 0
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self._failures = list(failures)
        self._expires_in = expires_in

    async def __call__(self) -> dict[str, str]:
        self.asked += 1
        self.started.set()
        await self.gate.wait()
        if self._failures:
            raise self._failures.pop(0)
        self.issued += 1
        return _metadata(self.issued, expires_in=self._expires_in)


def _open(server: ScriptedServer, renewal: Renewal, *, expires_in: float = _MANDATORY, **settings: Any) -> Any:  # noqa: ANN401 - what `open` returns
    """Open a store whose session has credentials that expire, and whose renewal is `renewal`."""
    credentials = expiring_credentials(_metadata(0, expires_in=expires_in), renewal)
    config = StoreConfig(endpoint_url=server.url, **settings)
    return WikibotStore.open(config, session=session_of(credentials))


def _signed_by(server: ScriptedServer) -> list[str]:
    """Return the access key of each request."""
    return [
        request.headers["authorization"].partition("Credential=")[2].partition("/")[0] for request in server.requests
    ]


# ---- renewal


async def test_rotating_credentials(server: ScriptedServer) -> None:
    """Each request is signed with the credentials of its moment."""
    server.play(reply({}), reply({}))

    async with _open(server, _Rotation()) as store:
        await store.wikis.get("u-1", "notes")
        await store.wikis.get("u-1", "notes")

    assert _signed_by(server) == ["AKID1", "AKID2"]
    assert [request.headers["x-amz-security-token"] for request in server.requests] == ["token-1", "token-2"]


async def test_nobody_waits_in_the_advisory_window(server: ScriptedServer) -> None:
    """While the present credentials are valid for long enough, calls use them, and one renewal runs beside them."""
    server.play(reply({}), reply({}), reply({}))
    rotation = _Rotation(expires_in=_LATER)
    rotation.gate.clear()

    async with _open(server, rotation, expires_in=_ADVISORY) as store:
        await store.wikis.get("u-1", "notes")
        await store.wikis.get("u-1", "notes")
        rotation.gate.set()
        await asyncio.wait(store._wire._tasks)
        await store.wikis.get("u-1", "notes")

    assert _signed_by(server) == ["AKID0", "AKID0", "AKID1"]
    assert rotation.asked == 1


async def test_a_failed_renewal_in_the_advisory_window(server: ScriptedServer) -> None:
    """A renewal that fails early harms nobody, and is tried again with the next call."""
    server.play(reply({}), reply({}))
    rotation = _Rotation(RuntimeError("not now"), expires_in=_LATER)

    async with _open(server, rotation, expires_in=_ADVISORY) as store:
        await store.wikis.get("u-1", "notes")
        await store.wikis.get("u-1", "notes")

    assert _signed_by(server)[0] == "AKID0"
    assert rotation.asked == 2


async def test_the_deadline_does_not_cut_a_renewal(server: ScriptedServer) -> None:
    """A call that waits for expired credentials fails at its deadline; the renewal goes on for the next one."""
    server.play(reply({}))
    rotation = _Rotation(expires_in=_LATER)
    rotation.gate.clear()

    async with _open(server, rotation, expires_in=_EXPIRED, deadline=0.05) as store:
        for _ in range(2):
            with pytest.raises(UnavailableError, match="not renewed in time") as caught:
                await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")
            assert isinstance(caught.value.__cause__, CredentialRetrievalError)
        rotation.gate.set()
        await store.wikis.get("u-1", "notes")

    assert _signed_by(server) == ["AKID1"]
    assert rotation.asked == 1


async def test_a_slow_renewal_in_the_mandatory_window(server: ScriptedServer) -> None:
    """A call waits half of its time for the renewal, and then goes on with credentials that are still valid."""
    server.play(reply({}), reply({}))
    rotation = _Rotation(expires_in=_LATER)
    rotation.gate.clear()

    async with _open(server, rotation, deadline=2.0) as store:
        await store.wikis.get("u-1", "notes")
        rotation.gate.set()
        await store.wikis.get("u-1", "notes")

    assert _signed_by(server) == ["AKID0", "AKID1"]
    assert rotation.asked == 1


async def test_a_cancelled_call_does_not_cut_a_renewal(server: ScriptedServer) -> None:
    """A renewal belongs to all calls: cancelling the one that started it leaves the others theirs."""
    server.play(reply({"Items": []}))
    rotation = _Rotation(expires_in=_LATER)
    rotation.gate.clear()

    async with _open(server, rotation, expires_in=_EXPIRED) as store:
        first, second = (asyncio.create_task(store.wikis.list_by_owner(owner)) for owner in ("u-1", "u-2"))
        await rotation.started.wait()
        first.cancel()
        await asyncio.wait([first])
        rotation.gate.set()
        assert not (await second).items

    assert first.cancelled()
    assert _signed_by(server) == ["AKID1"]
    assert rotation.asked == 1


async def test_closing_ends_a_renewal(server: ScriptedServer) -> None:
    """A store that is closed leaves no renewal behind, and tells the call that waits for it."""
    rotation = _Rotation()
    rotation.gate.clear()

    async with _open(server, rotation, expires_in=_EXPIRED) as store:
        call = asyncio.create_task(store.wikis.get("u-1", "notes"))
        await rotation.started.wait()

    with pytest.raises(RuntimeError, match="the store is closed"):
        await call


async def test_a_slow_process(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential_process that takes longer than a call may is waited for by several calls in a row."""
    calls = tmp_path / "calls"
    program = tmp_path / "issue.py"
    first, later = (
        {
            "Version": 1,
            "AccessKeyId": f"AKID-{name}",
            "SecretAccessKey": "secret",
            "SessionToken": "token",
            "Expiration": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
        }
        for name, seconds in (("first", 1), ("later", _LATER))
    )
    program.write_text(
        "import json, pathlib, time\n"
        f"calls = pathlib.Path({str(calls)!r})\n"
        "if calls.exists():\n"
        f"    time.sleep(2)\n    print({json.dumps(later)!r})\n"
        "else:\n"
        f"    print({json.dumps(first)!r})\n"
        "calls.open('a').write('x')\n"
    )
    profile = tmp_path / "config"
    profile.write_text(f"[profile slow]\nregion = us-east-1\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    monkeypatch.setenv("AWS_PROFILE", "slow")
    server.play(reply({}))
    failed = 0

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=0.5)) as store:
        await asyncio.sleep(1)
        for _ in range(100):
            try:
                await store.wikis.get("u-1", "notes")
            except UnavailableError:
                failed += 1
            else:
                break

    assert failed
    assert _signed_by(server) == ["AKID-later"]
    assert calls.read_text() == "xx"


@pytest.mark.parametrize("expires_in", [_LATER, 2], ids=["for an hour", "for seconds"])
async def test_a_slow_container(expires_in: float, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint of a container that takes longer than a call may gives credentials all the same."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    server.default = reply({})
    async with scripted_server() as container:

        async def issue(exchange: Exchange) -> None:
            number = len(container.requests)
            await asyncio.sleep(0 if number == 1 else 0.7)
            seconds = 2 if number == 1 else expires_in
            body = {
                "AccessKeyId": f"AKID-{number}",
                "SecretAccessKey": "secret",
                "Token": "token",
                "Expiration": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
            }
            await sent(http(200, json.dumps(body).encode()))(exchange)

        container.default = issue
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url)
        async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=0.5, region="us-east-1")) as store:
            answers = [await asyncio.gather(store.wikis.get("u-1", "a"), return_exceptions=True) for _ in range(8)]

    assert any(answer is None for (answer,) in answers)
    assert "AKID-2" in _signed_by(server)


# ---- renewals that fail


async def test_credentials_that_come_at_the_second_attempt(server: ScriptedServer) -> None:
    """A source of credentials that fails once is asked again; the write that waits for it was never sent."""
    server.play(reply({}))

    async with _open(server, _Rotation(CredentialRetrievalError(provider="test", error_msg="not yet"))) as store:
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert len(server.requests) == 1


def _refused(status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # the rest is not looked at
        "AssumeRole",
    )


@pytest.mark.parametrize(
    ("failure", "attempts"),
    [
        (CredentialRetrievalError(provider="test", error_msg="no"), 2),
        (RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."), 2),
        (_refused(503), 2),
        (_refused(403), 1),
        (NoRegionError(), 1),
        (RefreshWithMFAUnsupportedError(), 1),
    ],
    ids=["no answer", "expired", "in trouble", "refused", "no region", "a code"],
)
async def test_credentials_that_cannot_be_renewed(failure: Exception, attempts: int, server: ScriptedServer) -> None:
    """Without valid credentials nothing is sent, and the error leads to why there are none.

    What may pass is tried again, what cannot is not. Nothing asks about the endpoint, which has no part in it.
    """
    rotation = _Rotation(failure, failure)

    async with _open(server, rotation, max_attempts=2) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__cause__ is failure
    assert caught.value.attempts == rotation.asked == attempts
    assert str(failure).removesuffix(".") in str(caught.value)
    assert "up and reachable" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    "failure",
    [
        UnauthorizedSSOTokenError(),
        SSOTokenLoadError(error_msg="Token for https://sso.example.org/start does not exist"),
        TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
    ],
    ids=["refused", "not logged in", "expired"],
)
async def test_an_expired_login(failure: Exception, server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Who has to log in again is told so, once and at once."""
    rotation = _Rotation(failure)
    caplog.set_level(logging.WARNING, "wikibot_store")

    async with _open(server, rotation, expires_in=_EXPIRED) as store:
        with pytest.raises(UnavailableError, match="aws sso login") as caught:
            await store.wikis.get("u-1", "notes")

    assert str(caught.value).count("aws sso login") == 1
    assert caught.value.attempts == rotation.asked == 1
    assert isinstance(caught.value.__cause__, UnusableCredentialsError)


async def test_an_expired_login_of_a_profile(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that nobody has logged in to says so at the first call."""
    profile = tmp_path / "config"
    profile.write_text(
        "[profile sso]\nregion = us-east-1\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = dev\n"
        "[sso-session work]\nsso_start_url = https://sso.example.org/start\nsso_region = us-east-1\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    monkeypatch.setenv("AWS_PROFILE", "sso")

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url)) as store:
        with pytest.raises(UnavailableError, match=r"after 1 attempt: .*aws sso login"):
            await store.wikis.get("u-1", "notes")


# ---- credentials that cannot be used


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("access key", ("AKID\n", "secret", None)),
        ("secret key", ("AKID", "secret\r\n", None)),
        ("session token", ("AKID", "secret", "to\x00ken")),
    ],
)
async def test_credentials_with_a_newline(
    part: str, values: tuple[str, str, str | None], server: ScriptedServer
) -> None:
    """Credentials that were copied with a newline are refused when the store is opened, and are not shown."""
    with pytest.raises(ConfigurationError, match=f"the {part} holds a newline") as caught:
        async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session_with(*values)):
            pass

    assert "AKID" not in str(caught.value)
    assert isinstance(caught.value.__cause__, UnusableCredentialsError)


async def test_renewed_credentials_with_a_newline(server: ScriptedServer) -> None:
    """Renewed credentials are looked at too, and end each call in one attempt."""

    async def renew() -> dict[str, str]:
        return _metadata(1, expires_in=_LATER) | {"access_key": "AKID\n"}

    async with _open(server, renew, expires_in=_EXPIRED) as store:
        for _ in range(2):
            with pytest.raises(UnavailableError, match=r"after 1 attempt: .*the access key holds a newline"):
                await store.wikis.get("u-1", "notes")

    assert server.requests == []


@pytest.mark.parametrize(
    "credentials",
    [
        botocore_credentials.Credentials("AKID", "secret"),
        botocore_credentials.RefreshableCredentials.create_from_metadata(
            _metadata(0, expires_in=_LATER), lambda: _metadata(1, expires_in=_LATER), "test"
        ),
    ],
    ids=["fixed", "renewed"],
)
async def test_synchronous_credentials(credentials: object, server: ScriptedServer) -> None:
    """Credentials of botocore itself are refused when the store is opened: they would block the event loop."""
    with pytest.raises(ConfigurationError, match=r"botocore\.credentials\.\w+ is synchronous: .*AioRefreshable"):
        async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session_of(credentials)):
            pass


# ---- event loops


async def test_a_session_in_two_event_loops(server: ScriptedServer) -> None:
    """A session that is at work in another event loop is refused in one attempt, with what to do."""
    shared: Any = expiring_credentials(_metadata(0, expires_in=_EXPIRED), _Rotation())

    async def use_elsewhere() -> None:
        await asyncio.gather(*[_hold(shared._refresh_lock) for _ in range(2)])  # who waits binds a lock to a loop

    await asyncio.to_thread(asyncio.run, use_elsewhere())
    await shared._refresh_lock.acquire()  # as if a renewal were under way there
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session_of(shared)) as store:
        with pytest.raises(UnavailableError, match=r"after 1 attempt: .*in use in another event loop"):
            await store.wikis.get("u-1", "notes")


async def _hold(lock: asyncio.Lock) -> None:
    async with lock:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.wikis.get("u-1", "notes"),
        lambda store: store.wikis.list_by_owner("u-1"),
        lambda store: store.users.get_many(["u-1"]),
        lambda store: store.client(),
    ],
    ids=["a point read", "a query", "a batch", "the client"],
)
async def test_a_store_in_another_event_loop(
    use: Callable[[WikibotStore], Awaitable[object]], server: ScriptedServer, store: WikibotStore
) -> None:
    """A store that is used outside of the event loop that it was opened in says so."""

    async def elsewhere() -> object:
        return await use(store)

    with pytest.raises(RuntimeError, match="this store was opened in another event loop"):
        await asyncio.to_thread(asyncio.run, elsewhere())

    assert server.requests == []


# ---- roles


class _StoppedError(Exception):
    """Ends a request to STS where it would be sent."""


_OF_ROLES = {
    "role": "source_profile = base",
    "web identity": "web_identity_token_file = {token}",
}


def _write_profile(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, *, region: str | None) -> None:
    """Make AWS_PROFILE name a profile with a role."""
    (tmp_path / "token").write_text("a token")
    (tmp_path / "config").write_text(
        f"[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/dev\n"
        f"{_OF_ROLES[kind].format(token=tmp_path / 'token')}\n"
        + ("" if region is None else f"region = {region}\n")
        + "[profile base]\naws_access_key_id = AKID\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "dev")


@pytest.mark.parametrize(
    "region_of", ["config", "profile", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS"]
)
@pytest.mark.parametrize("kind", _OF_ROLES)
async def test_the_region_reaches_sts(
    kind: str, region_of: str, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STS is asked at the endpoint, and for the region, that a client asks it at."""
    _write_profile(tmp_path, kind, monkeypatch, region="eu-west-3" if region_of == "profile" else None)
    if region_of.endswith("REGION"):
        monkeypatch.setenv(region_of, "eu-west-3")
    if region_of == "AWS_STS_REGIONAL_ENDPOINTS":
        monkeypatch.setenv(region_of, "regional")
    in_config = region_of in ("config", "AWS_STS_REGIONAL_ENDPOINTS")
    region = "eu-west-3" if in_config else StoreConfig.from_env().region
    asked: list[str] = []

    def stop(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore has no type hints
        asked.append(request.url)
        raise _StoppedError

    sessions = get_session(), get_session()
    for session in sessions:
        session.register("before-send.sts", stop)

    async with sessions[0].create_client("dynamodb", region_name=region, endpoint_url=server.url) as client:
        with pytest.raises(_StoppedError):
            await client.list_tables()
    config = StoreConfig(region=region, endpoint_url=server.url, max_attempts=1)
    async with WikibotStore.open(config, session=sessions[1]) as store:
        with pytest.raises(UnavailableError):
            await store.wikis.get("u-1", "notes")

    assert asked == ["https://sts.eu-west-3.amazonaws.com/"] * 2


@pytest.mark.parametrize("kind", _OF_ROLES)
async def test_the_endpoint_of_sts(
    kind: str, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STS is asked where AWS_ENDPOINT_URL_STS says, and the request to DynamoDB is signed with what it answers."""
    _write_profile(tmp_path, kind, monkeypatch, region=None)
    server.play(reply({}))
    async with scripted_server() as sts:
        action = {"role": "AssumeRole", "web identity": "AssumeRoleWithWebIdentity"}[kind]
        sts.play(sent(http(200, _ROLE.format(action=action).encode(), content_type="text/xml")))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        config = StoreConfig(region="eu-west-3", endpoint_url=server.url)
        async with WikibotStore.open(config) as store:
            await store.wikis.get("u-1", "notes")

    assert _signed_by(server) == ["ASIA"]


_ROLE = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/dev/me</Arn>
<AssumedRoleId>x:me</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>ASIA</AccessKeyId>
<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"""
