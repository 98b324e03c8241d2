"""The DAO for operators. Its methods need the operator's IAM policy."""

from collections.abc import AsyncGenerator

from wikibot_store._dynamo.checks import check_rate, check_switch
from wikibot_store.keys import check_id
from wikibot_store.workflows import people
from wikibot_store.workflows.sweep import SweepPage, sweep
from wikibot_store.workflows.tables import Tables


class AdminDao:
    """Repairs the tables. This needs the IAM policy of the operator; the policy of the web backend does not allow it.

    Every method may also raise these errors:
        ThrottledError: DynamoDB throttled every attempt of a request; that request wrote nothing.
        UnavailableError: A request got no usable answer within the deadline; that request wrote nothing.
        RequestFailedError: DynamoDB refused the request, such as for a missing permission or table.
        ConfigurationError: The credentials cannot be renewed.
        RuntimeError: The store is closed.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def sweep(
        self, *, apply: bool = False, max_rcu: float | None = None, resume: str | None = None
    ) -> AsyncGenerator[SweepPage, None]:
        """Search all tables for damage that crashes and restores left behind; with `apply`, repair it.

        It yields one page of findings per page of a Scan. It finds deletions and moves that did not finish, claims
        without a user, users without a claim, wrong values of `wiki_count`, grants without a wiki or without a user,
        and items that do not decode. The service may keep running. `max_rcu` limits the read units per second
        approximately. To continue a sweep that was interrupted, pass the `resume` of its last page.

        Requests: Scan of each table, a few consistent reads per item, and the requests of each repair.

        Raises:
            ValueError: `max_rcu` is not positive, or `resume` does not come from a sweep.

        """
        check_rate("max_rcu", max_rcu)
        return sweep(self._tables, apply=check_switch("apply", apply), max_rcu=max_rcu, resume=resume)

    async def reconcile_wiki_count(self, user_id: str) -> int:
        """Set a user's `wiki_count` to the number of wikis that the user owns; return the number.

        Requests: GetItem (consistent) and Query (consistent), until two passes agree; UpdateItem if the count is wrong;
        retried while other writers win.

        Raises:
            InvalidKeyError: `user_id` breaks its rule; nothing was sent.
            NotFoundError: There is no such user.
            WriteOutcomeUnknownError: The write was sent, and the store cannot tell whether it took effect.

        """
        return await people.reconcile_wiki_count(self._tables, check_id("user_id", user_id))
