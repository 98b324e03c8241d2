"""What keeps an identity or a username with one user, and how a user's item names its identities.

A GSI cannot enforce uniqueness, so each OAuth identity and each username has a claim: an item of the users table whose
key is the thing claimed and which holds the `user_id` of its owner. Claims are written in the same transaction as their
user. They lack the index's key attributes, so they never show up in it.
"""

from collections.abc import Iterable

from wikibot_store._expressions import Condition, absent_or
from wikibot_store._items import Item, string
from wikibot_store._table import Table
from wikibot_store.errors import CorruptItemError
from wikibot_store.keys import oauth_claim, username_claim
from wikibot_store.models import Identity, User

IDENTITIES = "identities"
"""The attribute with all identities of a user but the first: space-separated `provider#sub`. The model lacks it."""


def identities_of(users: Table[User], user: User, item: Item) -> list[Identity]:
    """Return what a user can log in with, the one that the model shows first.

    Raises:
        CorruptItemError: The item's others are no list.

    """
    match item.get(IDENTITIES, string("")):
        case {"S": str(text)} if all(pair.count("#") == 1 for pair in text.split()):
            others = [Identity(*pair.split("#")) for pair in text.split()]
        case _:
            raise CorruptItemError(users.name, users.codec.key_of(item), f"`{IDENTITIES}` is no list of provider#sub")
    return [Identity(user.oauth_provider, user.oauth_provider_sub), *others]


def joined(identities: Iterable[Identity]) -> str:
    """Return the text of several identities; a provider or subject holds neither `#` nor a space."""
    return " ".join("#".join(identity) for identity in identities)


def claims_of(users: Table[User], item: Item) -> list[str]:
    """Return the ids of all claims that a user's item has.

    Raises:
        CorruptItemError: The item does not decode.
        InvalidKeyError: What it names cannot be claimed.

    """
    user = users.decode(item)
    identities = [oauth_claim(*identity) for identity in identities_of(users, user, item)]
    return identities if user.username is None else [*identities, username_claim(user.username)]


def own_or_free(user_id: str) -> Condition:
    """Hold for a claim that is the user's or nobody's."""
    return absent_or("user_id", "=", string(user_id))
