"""The DAO for operators. Its methods need the operator's IAM policy."""

from collections.abc import AsyncGenerator

from wikibot_store._dynamo.checks import check_integer, check_rate, check_switch
from wikibot_store._dynamo.scan import MAX_SEGMENTS
from wikibot_store.keys import check_id
from wikibot_store.models import Acl, User, Wiki
from wikibot_store.workflows import people, scans
from wikibot_store.workflows.adoption import AdoptPage, adopt
from wikibot_store.workflows.scans import Scan
from wikibot_store.workflows.sweep import SweepPage, sweep
from wikibot_store.workflows.tables import Tables


class AdminDao:
    """Reads and repairs whole tables. This needs the IAM policy of the operator; that of the web backend forbids it.

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
        self, *, apply: bool = False, segments: int = 4, max_rcu: float | None = None, resume: str | None = None
    ) -> AsyncGenerator[SweepPage, None]:
        """Search all tables for damage that crashes and restores left behind; with `apply`, repair it.

        It yields one page of findings per page of a Scan. It finds deletions and moves that did not finish, wikis
        and claims without a user, users without a claim, wrong values of `wiki_count`, grants without a wiki or without
        a user, and items that do not decode. The service may keep running. Each table is read in several segments at
        the same time. `max_rcu` limits the read units per second approximately. To continue a sweep that was
        interrupted, pass the `resume` of its last page.

        Requests: Scan of each table, BatchGetItem (consistent) of what the items name, and Query (consistent) of the
        wikis per user. An item that they do not show to be sound is inspected by GetItem (consistent) and Query of its
        own; then there are the requests of each repair.

        Raises:
            ValueError: `segments` is not 1 to 64, `max_rcu` is not positive, or `resume` does not come from a sweep.

        """
        _check_scan(segments, max_rcu)
        return sweep(
            self._tables, apply=check_switch("apply", apply), segments=segments, max_rcu=max_rcu, resume=resume
        )

    def adopt(
        self,
        *,
        apply: bool = False,
        max_rcu: float | None = None,
        max_wcu: float | None = None,
        resume: str | None = None,
    ) -> AsyncGenerator[AdoptPage, None]:
        """Search all tables for items of other programs that lack something; with `apply`, fill it in.

        It yields one page per page of a Scan. An item is stored with the values with which it is read already: `uid`,
        `version`, `status`, times in this library's form, `expires_at` in seconds. Users get their `wiki_count` and
        their claims, grants the `uid` of their wiki. What cannot be decided is in `undecided`, such as an identity that
        two users have. The service and other programs may go on writing. `max_rcu` and `max_wcu` limit the read and
        write units per second approximately. To continue an adoption that was interrupted, pass the `resume` of its
        last page.

        Requests: Scan of each table; BatchGetItem (consistent) of claims, owners and wikis; Query of the index and of
        the wikis per user, and one conditional UpdateItem or TransactWriteItems per item that lacks something.

        Raises:
            ValueError: A rate is not positive, or `resume` does not come from an adoption.

        """
        check_rate("max_rcu", max_rcu)
        check_rate("max_wcu", max_wcu)
        return adopt(self._tables, apply=check_switch("apply", apply), max_rcu=max_rcu, max_wcu=max_wcu, resume=resume)

    def iter_users(self, *, segments: int = 4, max_rcu: float | None = None, resume: str | None = None) -> Scan[User]:
        """Iterate over all users, in no order; suspended users and users that are being deleted are given too.

        The table is read in several segments at the same time. `max_rcu` limits the read units per second
        approximately. A user who is created meanwhile may be left out. An item that does not decode is logged and
        left out. To continue an iteration that was interrupted, pass its `resume`.

        Requests: one Scan per 500 items. It reads the claims too, which are in the same table.

        Raises:
            ValueError: `segments` is not 1 to 64, `max_rcu` is not positive, or `resume` is of another iteration.

        """
        _check_scan(segments, max_rcu)
        return scans.all_users(self._tables, segments=segments, max_rcu=max_rcu, resume=resume)

    def iter_wikis(self, *, segments: int = 4, max_rcu: float | None = None, resume: str | None = None) -> Scan[Wiki]:
        """Iterate over all live wikis, in no order, as `iter_users` does.

        A wiki that is being renamed or transferred is given once, under one of its two keys. If a move begins and ends
        during the iteration, the wiki may be given under both keys, or under none.

        Requests: one Scan per 500 items; one or two GetItem (consistent) for each item that a move has not finished.

        Raises:
            ValueError: `segments` is not 1 to 64, `max_rcu` is not positive, or `resume` is of another iteration.

        """
        _check_scan(segments, max_rcu)
        return scans.all_wikis(self._tables, segments=segments, max_rcu=max_rcu, resume=resume)

    def iter_acls(self, *, segments: int = 4, max_rcu: float | None = None, resume: str | None = None) -> Scan[Acl]:
        """Iterate over all grants that have not expired, in no order, as `iter_users` does.

        Invitations are given too; they have `invited_email`. While a wiki moves, its grants are given under both keys.

        Requests: one Scan per 500 items.

        Raises:
            ValueError: `segments` is not 1 to 64, `max_rcu` is not positive, or `resume` is of another iteration.

        """
        _check_scan(segments, max_rcu)
        return scans.all_acls(self._tables, segments=segments, max_rcu=max_rcu, resume=resume)

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


def _check_scan(segments: int, max_rcu: float | None) -> None:
    if not 1 <= check_integer("segments", segments) <= MAX_SEGMENTS:
        raise ValueError(f"segments must be 1 to {MAX_SEGMENTS}")
    check_rate("max_rcu", max_rcu)
