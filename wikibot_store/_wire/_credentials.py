"""The credentials of each request; those that expire are renewed in the background, once for all calls."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from botocore import exceptions as botocore_errors
from botocore.exceptions import ClientError, CredentialRetrievalError

from wikibot_store._wire._signer import Credentials

# What to do about an error that asking again does not change. The first class that fits counts.
_CURES: tuple[tuple[type[Exception], str], ...] = (
    (
        botocore_errors.NoCredentialsError,
        "set AWS_PROFILE, or both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give open() a session",
    ),
    (botocore_errors.NoRegionError, "set AWS_REGION, or give open() a StoreConfig(region=…)"),
    (botocore_errors.ProfileNotFound, "`aws configure list-profiles` lists them"),
    (botocore_errors.PartialCredentialsError, "set both keys"),
    (botocore_errors.InvalidConfigError, "correct the profile"),
    (botocore_errors.RefreshWithMFAUnsupportedError, "open the store again to be asked for a code"),
    (botocore_errors.UnauthorizedSSOTokenError, ""),  # it says itself what to do
    (botocore_errors.SSOError, "run `aws sso login` with this profile"),
    (botocore_errors.TokenRetrievalError, "run `aws sso login` with this profile"),
    # botocore has `aws login` since 1.41.
    (getattr(botocore_errors, "LoginError", botocore_errors.SSOError), "run `aws login` with this profile"),
)
_SERVER_ERROR = 500


class UnusableCredentialsError(CredentialRetrievalError):
    """There are no credentials to send a request with, and asking again does not help."""

    fmt = "there are no usable credentials: {error_msg}"


class CredentialSource:
    """Hands out the session's credentials, renewed in time.

    A renewal is one task for all calls. It runs on when a call that waits for it is cancelled or reaches its deadline.
    aiobotocore's own `get_frozen_credentials` would renew inside the call that happens to come first.
    """

    def __init__(
        self,
        credentials: Any,  # noqa: ANN401 - aiobotocore has no type hints
        spawn: Callable[[Coroutine[Any, Any, Exception | None]], asyncio.Task[Exception | None]],
    ) -> None:
        self._credentials = credentials
        self._is_static = isinstance(credentials, AioCredentials)
        self._spawn = spawn
        self._renewal: asyncio.Task[Exception | None] | None = None
        self._checked: Credentials | None = None

    async def frozen(self, deadline: float) -> Credentials:
        """Return the credentials of this moment.

        Nobody waits in the advisory window, a quarter of an hour before the credentials expire. In the mandatory
        window, the last ten minutes, a call waits for the renewal, but goes on with the present credentials if that
        takes half of the call's time. With expired credentials it waits until its deadline.

        Raises:
            CredentialRetrievalError: There are none, or they did not come in time.

        """
        if self._is_static:
            static: Credentials = await self._credentials.get_frozen_credentials()
            return static
        if self._credentials.refresh_needed():
            await self._renew(deadline)
        # Not get_frozen_credentials, which would renew inside this call.
        frozen: Credentials = self._credentials._frozen_credentials  # noqa: SLF001 - has no other door
        if frozen is not self._checked:
            check_usable(frozen)
            self._checked = frozen
        return frozen

    async def _renew(self, deadline: float) -> None:
        """Start a renewal, unless one is under way, and wait for it where that is needed."""
        if self._renewal is None:
            self._renewal = self._spawn(self._run())
            self._renewal.add_done_callback(self._ended)
        renewal, credentials = self._renewal, self._credentials
        if not credentials.refresh_needed(credentials._mandatory_refresh_timeout):  # noqa: SLF001 - has no other door
            return
        patience = deadline - asyncio.get_running_loop().time()
        await asyncio.wait([renewal], timeout=patience if credentials.refresh_needed(0) else patience / 2)
        if renewal.cancelled():
            raise RuntimeError("the store is closed: it was during this call")
        if renewal.done() and (failure := renewal.result()) is not None:
            raise _retrieval_error(failure) from failure
        if credentials.refresh_needed(0):
            raise CredentialRetrievalError(provider=credentials.method, error_msg="not renewed in time")

    async def _run(self) -> Exception | None:
        """Renew the credentials; return what went wrong, for those who wait."""
        try:
            await self._credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - whatever the provider of the credentials raises
            return error
        return None

    def _ended(self, _renewal: asyncio.Task[Exception | None]) -> None:
        self._renewal = None


async def check(credentials: Any) -> None:  # noqa: ANN401 - aiobotocore has no type hints
    """Refuse credentials that can be seen to be of no use before anything is sent.

    Raises:
        UnusableCredentialsError: They are botocore's own, which renew themselves with the event loop blocked; or a part
            of them cannot be right.

    """
    if isinstance(credentials, AioCredentials):
        check_usable(await credentials.get_frozen_credentials())
    elif not isinstance(credentials, AioRefreshableCredentials):
        kind = type(credentials)
        raise UnusableCredentialsError(
            provider="session",
            error_msg=f"{kind.__module__}.{kind.__qualname__} is synchronous: give the session AioCredentials or "
            "AioRefreshableCredentials of aiobotocore.credentials",
        )


def check_usable(credentials: Any) -> None:  # noqa: ANN401 - aiobotocore has no type hints
    """Refuse credentials that cannot be right.

    Raises:
        UnusableCredentialsError: A part of them holds a newline or another control character.

    """
    parts = {
        "access key": credentials.access_key,
        "secret key": credentials.secret_key,
        "session token": credentials.token or "",
    }
    for name, value in parts.items():
        if not value.isprintable():
            raise UnusableCredentialsError(
                provider="session", error_msg=f"the {name} holds a newline or another control character"
            )


def explained(error: Exception) -> tuple[str, bool]:
    """Return what an error of the AWS session means and what to do about it, and whether it may pass by itself."""
    text = str(error)
    for kind, cure in _CURES:
        if isinstance(error, kind):
            return (f"{text.removesuffix('.')}; {cure}" if cure else text), False
    if isinstance(error, RuntimeError) and "event loop" in text:  # of a lock
        return "the session is in use in another event loop: make one for each event loop", False
    refused = isinstance(error, ClientError) and _status(error) < _SERVER_ERROR
    return text, not refused


def _retrieval_error(error: Exception) -> CredentialRetrievalError:
    """Return what a provider of credentials raised as one error that says if a retry may help."""
    text, may_pass = explained(error)
    kind = CredentialRetrievalError if may_pass else UnusableCredentialsError
    return kind(provider="session", error_msg=text)


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)


async def account_id_of(credentials: Any) -> str | None:  # noqa: ANN401 - aiobotocore has no type hints
    """Return the account that the credentials belong to, as far as their source says; fetch them for it if need be."""
    found = credentials.get_account_id()
    account_id: str | None = await found if inspect.isawaitable(found) else found
    return account_id
