"""How items are read that plain boto3 models wrote before this library, beside which they may go on writing.

Such items lack what this library added. Their times may be missing or have another form (_dynamo/items.py).
"""

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from wikibot_store._dynamo.items import NULL, Item, read_time, string, time
from wikibot_store.models import NO_TIME

Missing = Mapping[str, Callable[[Item], Item]]
"""The value of each attribute that an item may lack although the model requires it."""


INCARNATION = ("owner_id", "wiki_slug", "uid", "created_at")
"""The attributes of a wiki that `incarnation` needs."""


def incarnation(wiki: Item) -> Item:
    """Return the `uid` of a wiki's item, or the one with which a wiki without `uid` is read.

    It is derived from what never changes, so that it stays the same until a write stores it. A wiki that is created
    later under the same key has another `created_at`, and therefore another incarnation.
    """
    if "uid" in wiki:
        return wiki["uid"]  # type: ignore[no-any-return]  # an attribute
    created = wiki.get("created_at", NULL)
    moment = read_time(created)
    parts = wiki.get("owner_id"), wiki.get("wiki_slug"), created if moment is None else time(moment)
    return string(f"legacy-{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]}")


def _no_time(_: Item) -> Item:
    return time(NO_TIME)


_TIMES: Missing = {"created_at": _no_time, "updated_at": lambda item: item["created_at"]}

USERS: Missing = _TIMES
WIKIS: Missing = {"uid": incarnation, **_TIMES}  # first, for the times are then still as they were stored
MOVES: Missing = {"uid": incarnation}
ACLS: Missing = {"granted_by": lambda _: string(""), "granted_at": _no_time}
