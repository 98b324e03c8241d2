"""Claims, which make an OAuth identity or a username belong to one user, and the identities on a user's item.

A GSI cannot enforce uniqueness. Each OAuth identity and each username therefore has a claim: an item of the users table
whose key is the thing claimed and which holds the `user_id` of its owner. A claim is written in the same transaction as
its user. It lacks the key attributes of the index, so it never appears there.
"""

import re
from collections.abc import Callable, Iterable
from urllib.parse import quote, unquote

from wikibot_store._dynamo.expressions import Condition, absent_or
from wikibot_store._dynamo.items import Item, string
from wikibot_store._dynamo.table import Table
from wikibot_store.errors import CorruptItemError, InvalidKeyError
from wikibot_store.keys import oauth_claim, username_claim
from wikibot_store.models import Identity, User, UserStatus

IDENTITIES = "identities"
"""The attribute with a user's identities after the first, separated by spaces. The model lacks it.

An identity is `provider#sub`, or `provider##` and the percent-encoded subject if the subject holds `#` or whitespace.
"""


_PLAIN = re.compile(r"[^#\s]+")
_WRITTEN = re.compile(r"[^#]*##?[^#]*")


def identities_of(users: Table[User], user: User, item: Item) -> list[Identity]:
    """Return a user's identities, first the one that the model shows.

    Raises:
        CorruptItemError: The attribute with the others is invalid.

    """
    match item.get(IDENTITIES, string("")):
        case {"S": str(text)} if all(_WRITTEN.fullmatch(pair) for pair in text.split()):
            others = [_identity(pair) for pair in text.split()]
        case _:
            reason = f"`{IDENTITIES}` is not a list of provider#sub"
            raise CorruptItemError(users.name, users.codec.shown_key(item), reason)
    return [Identity(user.oauth_provider, user.oauth_provider_sub), *others]


def joined(identities: Iterable[Identity]) -> str:
    """Return the text of several identities, from which `identities_of` reads them."""
    return " ".join(f"{provider}#{_written(sub)}" for provider, sub in identities)


def _written(sub: str) -> str:
    return sub if _PLAIN.fullmatch(sub) else f"#{quote(sub, safe='')}"


def _identity(pair: str) -> Identity:
    provider, _, sub = pair.partition("#")
    return Identity(provider, unquote(sub[1:]) if sub.startswith("#") else sub)


def claims_of(users: Table[User], item: Item) -> list[str]:
    """Return the ids of all claims that belong to a user's item.

    Raises:
        CorruptItemError: The item does not decode.
        InvalidKeyError: An identity on it cannot be claimed.

    """
    user = users.decode(item)
    return [*(oauth_claim(*identity) for identity in identities_of(users, user, item)), *username_claims(user)]


def possible_claims_of(users: Table[User], item: Item) -> list[str]:
    """Do as `claims_of`, but leave out an identity that cannot be claimed; other programs may have had other rules.

    Raises:
        CorruptItemError: The item does not decode.

    """
    user = users.decode(item)
    claims = [_if_valid(oauth_claim, *identity) for identity in identities_of(users, user, item)]
    return [claim for claim in claims if claim is not None] + username_claims(user)


def username_claims(user: User) -> list[str]:
    """Return the id of the claim on a user's username, if there is one; other programs may have had other rules."""
    claim = None if user.username is None else _if_valid(username_claim, user.username)
    return [] if claim is None else [claim]


def _if_valid(claim: Callable[..., str], *values: str) -> str | None:
    try:
        return claim(*values)
    except InvalidKeyError:
        return None


def is_deleting(user: Item) -> bool:
    """Return whether a user is being deleted."""
    return user.get("status") == string(UserStatus.DELETING.value)


def may_claim(users: Table[User], item: Item, claim_id: str) -> bool:
    """Return whether a user has this claim; true too if the user's item does not say what it claims."""
    try:
        return claim_id in claims_of(users, item)
    except (CorruptItemError, InvalidKeyError):
        return True


def own_or_free(user_id: str) -> Condition:
    """Hold for a claim that belongs to the user or to nobody."""
    return absent_or("user_id", "=", string(user_id))
