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
_LOG_IN, _LINK = "log in", "link"
_MAX_STATES = 5
_NO_CHALLENGE = {"WWW-Authenticate": "Cookie"}


def login_routes() -> list[BaseRoute]:
    """Return the routes for logging in and out."""
    provider = IdentityProvider(_CALLBACK)

    def start(request: Request, intent: str) -> RedirectResponse:
        """Redirect the visitor to the provider; `state` later proves that the same browser returns.

        A browser may have several logins under way, in several tabs or after its Back button.
        """
        state = secrets.token_urlsafe()
        recent = list(_states(request).items())[-_MAX_STATES + 1 :]
        request.session["states"] = {**dict(recent), state: intent}
        query = urlencode({"response_type": "code", "client_id": "wiki", "state": state})
        return RedirectResponse(f"{_PROVIDER}/authorize?{query}", HTTPStatus.SEE_OTHER)

    async def log_in(request: Request) -> RedirectResponse:
        """Begin a login."""
        return start(request, _LOG_IN)

    async def link(request: Request) -> RedirectResponse:
        """Begin a login that is added to the account of the session."""
        await current_user(request)
        return start(request, _LINK)

    async def finish_login(request: Request) -> RedirectResponse:
        """Exchange the provider's code for an identity, and start the session of its user.

        A state stays valid in its browser, because the Back button leads to the provider's page again. A code works
        once: who comes back with a used one and is logged in returns to the page.
        """
        states = _states(request)
        intent = states.get(request.query_params.get("state", ""))
        if intent is None:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "This login was not started in this browser.")
        identity = await provider.exchange(request.query_params.get("code", ""))
        if identity is None and "user_id" in request.session:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        if identity is None:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "The login code is invalid or was already used.")
        store: WikibotStore = request.state.store
        if intent == _LINK:
            return await _link(store, await current_user(request), identity)
        user = await _user_of(store, identity)
        await store.users.record_login(user.id)
        request.session.clear()
        request.session.update(user_id=user.id, states=states)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    async def log_out(request: Request) -> RedirectResponse:
        """End the session in this browser."""
        request.session.clear()
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    return [
        Route("/login", log_in),
        Route("/login/link", link, methods=["POST"]),
        Route(_CALLBACK, finish_login),
        Route("/logout", log_out, methods=["POST"]),
        Mount(_PROVIDER, provider.app),
    ]


def _states(request: Request) -> dict[str, str]:
    """Return what each login that this browser has begun is for."""
    states: dict[str, str] = request.session.get("states", {})
    return states


async def _link(store: WikibotStore, user: User, identity: Identity) -> RedirectResponse:
    """Add an identity to a user and return to the profile, which tells the result."""
    try:
        await store.users.link_identity(user.id, identity.provider, identity.sub)
    except AlreadyExistsError:
        result = "taken"
    except ValueError:
        result = "too-many"
    else:
        result = "added"
    return RedirectResponse(f"/?view=profile&login={result}", HTTPStatus.SEE_OTHER)


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
