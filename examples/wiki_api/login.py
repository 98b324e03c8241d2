"""Login by OAuth's authorization code, and the session that follows: a signed cookie that holds the user's id.

The provider is a stand-in. For a real one a client library (Authlib) does the same two steps, with PKCE and nonce.
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
    """Return what a person's browser visits to log in and out."""
    provider = IdentityProvider(_CALLBACK)

    async def log_in(request: Request) -> RedirectResponse:
        """Send the visitor to the provider; `state` proves later that the same browser comes back."""
        state = request.session["state"] = secrets.token_urlsafe()
        query = urlencode({"response_type": "code", "client_id": "wiki", "state": state})
        return RedirectResponse(f"{_PROVIDER}/authorize?{query}", HTTPStatus.SEE_OTHER)

    async def finish_login(request: Request) -> RedirectResponse:
        """Exchange the code that the provider sent along, and start the session of its user."""
        state = request.session.pop("state", "")
        if not state or not secrets.compare_digest(request.query_params.get("state", "").encode(), state.encode()):
            raise HTTPException(HTTPStatus.BAD_REQUEST, "This login was not begun here: begin again.")
        identity = await provider.exchange(request.query_params.get("code", ""))
        if identity is None:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "The code was used or made up: begin again.")
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
    """Return the user with this identity, made at the first login: with the wished name, if it is free and fits."""
    provider, sub, name = identity.provider, identity.sub, identity.display_name
    try:
        user, _ = await store.users.get_or_create_by_oauth(provider, sub, username=identity.username, display_name=name)
    except (AlreadyExistsError, InvalidKeyError):
        user, _ = await store.users.get_or_create_by_oauth(provider, sub, display_name=name)
    return user


async def current_user(request: Request) -> User:
    """Return whose session it is. The read is consistent, for the user may have been created a moment ago.

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
