"""AWS sessions for tests."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import AioSession, get_session


def session_with(
    access_key: str = "AKID",
    secret_key: str = "secret",  # noqa: S107 - made up
    token: str | None = None,
    *,
    region: str | None = "us-east-1",
) -> AioSession:
    """Return a session with these credentials."""
    session = get_session()
    session.set_credentials(access_key, secret_key, token)
    session.set_config_variable("region", region)
    return session


def session_of(credentials: object, *, region: str = "us-east-1") -> AioSession:
    """Return a session with a credentials object of the test's own."""
    session = session_with(region=region)
    session._credentials = credentials  # type: ignore[attr-defined]  # has no other door
    return session


def expiring_credentials(
    metadata: dict[str, Any], renew: Callable[[], Awaitable[Any]], **windows: int
) -> AioRefreshableCredentials:
    """Return credentials that ask `renew` for new ones before they expire."""
    credentials: AioRefreshableCredentials = AioRefreshableCredentials.create_from_metadata(
        metadata, renew, "test", **windows
    )
    return credentials
