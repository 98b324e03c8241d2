"""Claims, which make an OAuth identity or a username belong to one user, and the identities on a user's item.

A GSI cannot enforce uniqueness. Each OAuth identity and each username therefore has a claim: an item of the users table
whose key is the thing claimed and which holds the `user_id` of its owner. A claim is written in the same transaction as
its user. It lacks the key attributes of the index, so it never appears there.
"""

from collections.abc import Iterable

from wikibot_store._dynamo.expressions import Condition, absent_or
from wikibot_store._dynamo.items import Item, string
from wikibot_store._dynamo.table import Table
from wikibot_store.errors import CorruptItemError, InvalidKeyError
from wikibot_store.keys import oauth_claim, username_claim
from wikibot_store.models import Identity, User

IDENTITIES = "identities"
"""The attribute with a user's identities after the first: `provider#sub`, separated by spaces. The model lacks it."""


def identities_of(users: Table[User], user: User, item: Item) -> list[Identity]:
    """Return a user's identities, first the one that the model shows.

    Raises:
        CorruptItemError: The attribute with the others is invalid.

    """
    match item.get(IDENTITIES, string("")):
        case {"S": str(text)} if all(pair.count("#") == 1 for pair in text.split()):
            others = [Identity(*pair.split("#")) for pair in text.split()]
        case _:
            reason = f"`{IDENTITIES}` is not a list of provider#sub"
            raise CorruptItemError(users.name, users.codec.shown_key(item), reason)
    return [Identity(user.oauth_provider, user.oauth_provider_sub), *others]


def joined(identities: Iterable[Identity]) -> str:
    """Return the text of several identities; a provider or subject holds neither `#` nor a space."""
    return " ".join("#".join(identity) for identity in identities)


def claims_of(users: Table[User], item: Item) -> list[str]:
    """Return the ids of all claims that belong to a user's item.

    Raises:
        CorruptItemError: The item does not decode.
        InvalidKeyError: An identity or username on it cannot be claimed.

    """
    user = users.decode(item)
    identities = [oauth_claim(*identity) for identity in identities_of(users, user, item)]
    return identities if user.username is None else [*identities, username_claim(user.username)]


def may_claim(users: Table[User], item: Item, claim_id: str) -> bool:
    """Return whether a user has this claim; true too if the user's item does not say what it claims."""
    try:
        return claim_id in claims_of(users, item)
    except (CorruptItemError, InvalidKeyError):
        return True


def own_or_free(user_id: str) -> Condition:
    """Hold for a claim that belongs to the user or to nobody."""
    return absent_or("user_id", "=", string(user_id))
