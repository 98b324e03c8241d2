"""HTTP headers for what the store returns: versions as entity tags, cursors as links."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.datastructures import URL
from starlette.exceptions import HTTPException

from wikibot_store import ConflictError, NotFoundError, User, Wiki

NO_STORE = "private, no-store"
"""Cache-Control of an answer with a secret."""


def entity_tag(thing: User | Wiki) -> str:
    """Return the tag of this version of this incarnation, for ETag and If-Match.

    Background writers change figures without a new version, and so without a new tag. Therefore never answer 304 by it.
    """
    incarnation = thing.uid if isinstance(thing, Wiki) else thing.id
    return f'"{incarnation}.{thing.version}"'


@contextmanager
def pinned(if_match: str | None, current: User | Wiki) -> Iterator[int | None]:
    """Yield the version to expect while writing; without If-Match yield None, which means any version.

    If another writer is faster, the answer is 412 with If-Match, else that of the store's error.

    Raises:
        HTTPException: 412, If-Match does not match, now or when the write arrives.

    """
    if if_match is None or if_match.strip() == "*":
        yield None
        return
    if entity_tag(current) not in re.findall(r'(?:W/)?"[^"]*"', if_match):  # a weak tag never matches
        raise precondition_failed()
    try:
        yield current.version
    except (ConflictError, NotFoundError) as late:
        raise precondition_failed() from late


def precondition_failed() -> HTTPException:
    """Return the answer to a request whose If-Match or If-None-Match does not match."""
    return HTTPException(
        HTTPStatus.PRECONDITION_FAILED, "It has another version than expected. Read it before you change it."
    )


def next_link(url: URL, cursor: str) -> str:
    """Return the value of the Link header (RFC 8288) that links the page at `url` to the next page."""
    following = url.include_query_params(cursor=cursor)
    return f'<{following.path}?{following.query}>; rel="next"'
