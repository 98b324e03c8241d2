"""Login with OAuth's authorization code, and the session: a signed cookie that contains the user's id.

The provider is simulated. For a real one a client library (Authlib) does the same two steps, with PKCE and nonce.
"""

import secrets
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route

from examples.wiki_api.identity_provider import Identity, IdentityProvider
from wikibot_store import AlreadyExistsError, InvalidKeyError, User, UserStatus, WikibotStore

_PROVIDER = "/identity-provider"
_CALLBACK = "/login/callback"
_NO_CHALLENGE = {"WWW-Authenticate": "Cookie"}


def login_routes() -> list[BaseRoute]:
    """Return the routes for logging in and out."""
    provider = IdentityProvider(_CALLBACK)

    async def log_in(request: Request) -> RedirectResponse:
        """Redirect the visitor to the provider; `state` later proves that the same browser returns."""
        state = request.session["state"] = secrets.token_urlsafe()
        query = urlencode({"response_type": "code", "client_id": "wiki", "state": state})
        return RedirectResponse(f"{_PROVIDER}/authorize?{query}", HTTPStatus.SEE_OTHER)

    async def finish_login(request: Request) -> RedirectResponse:
        """Exchange the provider's code for an identity, and start the session of its user."""
        state = request.session.pop("state", "")
        if not state or not secrets.compare_digest(request.query_params.get("state", "").encode(), state.encode()):
            raise HTTPException(
                HTTPStatus.BAD_REQUEST, "This login was started in another browser. Please start again."
            )
        identity = await provider.exchange(request.query_params.get("code", ""))
        if identity is None:
            raise HTTPException(
                HTTPStatus.BAD_REQUEST, "The login code is invalid or was already used. Please start again."
            )
        store: WikibotStore = request.state.store
        user = await _user_of(store, identity)
        await store.users.record_login(user.id)
        request.session.clear()
        request.session["user_id"] = user.id
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    async def log_out(request: Request) -> RedirectResponse:
        """End the session in this browser."""
        request.session.clear()
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    return [
        Route("/login", log_in),
        Route(_CALLBACK, finish_login),
        Route("/logout", log_out, methods=["POST"]),
        Mount(_PROVIDER, provider.app),
    ]


async def _user_of(store: WikibotStore, identity: Identity) -> User:
    """Return the user with this identity. The first login creates the user, with the username if that is possible."""
    provider, sub, name = identity.provider, identity.sub, identity.display_name
    try:
        user, _ = await store.users.get_or_create_by_oauth(provider, sub, username=identity.username, display_name=name)
    except (AlreadyExistsError, InvalidKeyError):
        user, _ = await store.users.get_or_create_by_oauth(provider, sub, display_name=name)
    return user


async def current_user(request: Request) -> User:
    """Return the user of the session. The read is consistent, because the user may be new.

    Raises:
        HTTPException: 401, there is no session; 403, the user is suspended or being deleted.

    """
    store: WikibotStore = request.state.store
    user_id = request.session.get("user_id")
    user = None if user_id is None else await store.users.get(user_id, consistent=True)
    if user is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "Log in first.", _NO_CHALLENGE)
    if user.status != UserStatus.ACTIVE:
        raise HTTPException(HTTPStatus.FORBIDDEN, "This account is not active.")
    return user
