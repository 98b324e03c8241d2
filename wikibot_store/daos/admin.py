"""The door for operators: what needs the operator's IAM policy."""

from collections.abc import AsyncGenerator

from wikibot_store.keys import check_id
from wikibot_store.workflows import people
from wikibot_store.workflows.sweep import SweepPage, sweep
from wikibot_store.workflows.tables import Tables


class AdminDao:
    """What operators do: repair the tables. The web backend's IAM policy does not allow it, the operator's does.

    Every method may also raise these errors:
        ThrottledError: DynamoDB throttled every attempt.
        UnavailableError: There was no usable answer within the deadline.
        RequestFailedError: DynamoDB refused the request, such as for a missing permission or table.
        ConfigurationError: The credentials cannot be renewed.
        RuntimeError: The store is closed.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def sweep(
        self, *, apply: bool = False, max_rcu: float | None = None, resume: str | None = None
    ) -> AsyncGenerator[SweepPage, None]:
        """Search all tables for what crashes and restores left behind, page by page; with `apply`, repair it.

        It finds wikis and users that are half deleted, wikis that have half moved, claims without their user, users
        without their claims, wrong counts, grants without a wiki or without a user, and items that do not decode. It is
        safe beside a running service. `max_rcu` limits the read units per second approximately. `resume` is the
        `resume` of the last page of a sweep that was cut off.

        Requests: Scan of each table, a few consistent reads per item, and those of each repair.

        Raises:
            ValueError: `max_rcu` is not positive, or `resume` does not come from a sweep.

        """
        return sweep(self._tables, apply=apply, max_rcu=max_rcu, resume=resume)

    async def reconcile_wiki_count(self, user_id: str) -> int:
        """Set a user's `wiki_count` to the number of the user's wikis; return it.

        Requests: GetItem (consistent), Query; UpdateItem if the count is wrong; retried while other writers win.

        Raises:
            InvalidKeyError: `user_id` breaks its rule; nothing was sent.
            NotFoundError: There is no such user.

        """
        return await people.reconcile_wiki_count(self._tables, check_id("user_id", user_id))
