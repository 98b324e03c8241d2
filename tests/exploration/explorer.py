"""Goes through the orders in which the requests of several clients reach DynamoDB, and through what becomes of them.

What a client does next is a function of its call and the answers that it got. So a state is the database and, per call,
the answers so far; states that are equal are explored once. The search is breadth first: the first failure that it
meets has the shortest schedule.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple, Protocol

from tests.exploration import model
from tests.exploration.clients import LOST, Call, Outcome, Request, Run
from tests.exploration.model import Database, Place, Reply
from wikibot_store import StoreConfig, WriteOutcomeUnknownError
from wikibot_store.errors import ThrottledError, UnavailableError

_CONFIG = StoreConfig(max_attempts=2, coalesce_reads=False, grantee_index=True)
_PAIR = 2
_LONGEST_TURN = 4
_UNSETTLED = (WriteOutcomeUnknownError, UnavailableError, ThrottledError)
_AHEAD = "ahead"
# Whether the request is executed, whether its client dies, and whether it may arrive later.
_FATES = {
    "answer lost": (True, False, False),
    "lost": (False, False, False),
    "late": (False, False, True),
    "dies before": (False, True, False),
    "dies after": (True, True, False),
    "dies, and it arrives late": (False, True, True),
}
_READS_OF_SEVERAL = frozenset({"BatchGetItem", "Query", "Scan"})


class Node:
    """A call and the answers that it got so far: what it waits for now, or what came of it."""

    __slots__ = ("_call", "_children", "_first", "_run", "answers", "client", "members", "outcome", "request")

    def __init__(
        self,
        call: Call,
        client: int,
        answers: tuple[Reply, ...] = (),
        run: Run | None = None,
        *,
        first_step: int = 0,
    ) -> None:
        self._call, self.client, self.answers, self._first = call, client, answers, first_step
        self._children: dict[object, Node] = {}
        run = Run(call, client, _CONFIG, first_step) if run is None else run
        self._run: Run | None = run
        self.request: Request | None = run.waiting
        self.members: dict[str, Any] = {} if self.request is None else self.request.members
        self.outcome: Outcome | None = run.outcome if self.request is None else None

    def after(self, reply: Reply) -> "Node":
        """Return where the call is after one more answer."""
        key = "lost" if reply is LOST else (reply.status, model.canonical(reply.body))
        child = self._children.get(key)
        if child is None:
            answers, run = (*self.answers, reply), self._resumed(reply)
            child = self._children[key] = Node(self._call, self.client, answers, run, first_step=self._first)
        return child

    def _resumed(self, reply: Reply) -> Run:
        """Go on with the run that stands here, or play the call again up to here."""
        run, self._run = self._run, None
        if run is None:
            run = Run(self._call, self.client, _CONFIG, self._first)
            for answer in self.answers:
                run.answer(answer)
        run.answer(reply)
        return run


DEAD = "dead"


class Actor(NamedTuple):
    """One call in a state: where it is, None if its client died, and which calls had ended when it began.

    `view` is what a read that takes its items one by one has read so far.
    """

    node: Node | None
    began_after: frozenset[int] | None = None
    view: tuple[tuple[Place, str | None], ...] | None = None

    @property
    def waits(self) -> bool:
        """Whether the call has a request that is not answered."""
        return self.node is not None and self.node.request is not None

    @property
    def is_settled(self) -> bool:
        """Whether the call has ended, and its client knows how."""
        outcome = None if self.node is None else self.node.outcome
        return outcome is not None and not isinstance(outcome.error, _UNSETTLED)


class State(NamedTuple):
    """Everything that the future depends on, and what the checks have `noted` on the way.

    `flying` are requests whose clients do not wait for them any more.
    """

    database: Database
    actors: tuple[Actor, ...]
    flying: tuple[Request, ...]
    faults: int
    running: int | None
    preemptions: int | None
    noted: frozenset[str] = frozenset()


class Step(NamedTuple):
    """What happened between two states."""

    actor: int
    fate: str
    request: Request
    reply: Reply | None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is explored: calls from a start, each perhaps only after another one, and what may go wrong.

    `fates` are what can become of a request besides being executed and answered, `faults` how often that happens.
    Without `preemptions` every order is explored; with a number, those in which a call that could go on is interrupted
    at most so many times.
    """

    start: Database
    calls: Sequence[Call]
    after: Sequence[int | None] = ()
    fates: frozenset[str] = frozenset()
    faults: int = 0
    preemptions: int | None = None
    torn: bool = False
    most_requests: int = 80
    most_states: int = 2_000_000


class Failure(NamedTuple):
    """What is wrong, and the shortest schedule that leads there."""

    problem: str
    schedule: tuple[Step, ...]
    state: State


@dataclass
class Result:
    """What an exploration has seen."""

    states: int = 0
    interleavings: int = 0
    ends: int = 0
    cut: bool = False
    failure: Failure | None = None
    seen: set[str] = field(default_factory=set)


class Checks(Protocol):
    """What is checked of every state, and of those in which all calls have ended."""

    roots: list[Node]

    def check(self, state: State) -> str | None:
        """Return what is wrong at this moment, if anything is."""

    def check_end(self, state: State) -> str | None:
        """Return what is wrong when all calls have ended."""

    def note(self, before: State, after: State) -> frozenset[str]:
        """Return what a later check must know of."""


def explore(job: Job, checks: Checks) -> Result:
    """Go through all schedules of a job; stop at the first state that a check objects to."""
    roots, check, check_end = checks.roots, checks.check, checks.check_end
    start = State(job.start, tuple(Actor(root) for root in roots), (), job.faults, None, job.preemptions)
    result = Result()
    result.failure = _taking_turns(start, job)
    if result.failure is not None:
        return result
    origin: dict[State, tuple[State, Step] | None] = {start: None}
    level: dict[State, int] = {start: 1}
    while level:
        following: dict[State, int] = {}
        for state, paths in level.items():
            result.states += 1
            problem = check(state) or _endless(state, job)
            moves = [] if problem is not None else list(_moves(state, job))
            if problem is None and not any(actor.waits for actor in state.actors):
                result.ends += 1
                result.interleavings += paths
                problem = check_end(state)
            if problem is not None:
                result.failure = Failure(problem, _schedule(origin, state), state)
                return result
            for step, moved in moves:
                then = moved._replace(noted=checks.note(state, moved))
                if then not in origin:
                    origin[then] = (state, step)
                following[then] = following.get(then, 0) + paths
        level = following
        if result.states > job.most_states:
            result.cut = True
            return result
    return result


def _schedule(origin: dict[State, tuple[State, Step] | None], state: State) -> tuple[Step, ...]:
    steps: list[Step] = []
    while (before := origin[state]) is not None:
        state, step = before
        steps.append(step)
    return tuple(reversed(steps))


def _taking_turns(start: State, job: Job) -> Failure | None:
    """Look for calls that keep each other from ending: let them take turns of all lengths, for long."""
    count = len(start.actors)
    for turns in (
        product(range(1, _LONGEST_TURN + 1), repeat=count) if count == _PAIR and job.preemptions is None else ()
    ):
        state, schedule = start, []
        while any(actor.waits for actor in state.actors):
            for position, turn in enumerate(turns):
                for _ in range(turn):
                    step, then = next((move for move in _moves(state, job) if move[0].actor == position), (None, state))
                    if step is None:
                        break
                    state = then
                    schedule.append(step)
            problem = _endless(state, job)
            if problem is not None:
                return Failure(problem, tuple(schedule), state)
    return None


def _endless(state: State, job: Job) -> str | None:
    for position, actor in enumerate(state.actors):
        if actor.node is not None and len(actor.node.answers) > job.most_requests:
            return f"call {position} has sent {len(actor.node.answers)} requests and goes on"
    return None


def _moves(state: State, job: Job) -> Iterator[tuple[Step, State]]:
    """Yield what can happen next."""
    for position, actor in enumerate(state.actors):
        if actor.waits and _may_run(state, job, position):
            yield from _requests(state, job, position, actor)
    for position, request in enumerate(state.flying):
        reply, database = model.execute(state.database, request.operation, request.members)
        rest = state.flying[:position] + state.flying[position + 1 :]
        yield Step(-1, "arrives late", request, reply), state._replace(database=database, flying=rest)


def _may_run(state: State, job: Job, position: int) -> bool:
    first = job.after[position] if job.after else None
    if first is not None and not _has_ended(state.actors[first]):
        return False
    if state.preemptions is None or state.running in {None, position} or state.preemptions > 0:
        return True
    running = state.actors[state.running]
    return not running.waits


def _has_ended(actor: Actor) -> bool:
    return actor.node is None or actor.node.request is None


def _requests(state: State, job: Job, position: int, actor: Actor) -> Iterator[tuple[Step, State]]:
    """Yield what can become of the request that a call waits for."""
    node = actor.node
    assert node is not None
    assert node.request is not None
    request, began = node.request, actor.began_after
    if began is None:
        began = frozenset(other for other, each in enumerate(state.actors) if each.is_settled)
    preemptions = state.preemptions
    if preemptions is not None and state.running not in {None, position} and state.actors[state.running].waits:
        preemptions -= 1

    def then(after: Node | None, database: Database, view: Any = None) -> State:  # noqa: ANN401 - as in Actor
        actors = list(state.actors)
        actors[position] = Actor(after, began, view)
        return state._replace(database=database, actors=tuple(actors), running=position, preemptions=preemptions)

    if job.torn and request.operation in _READS_OF_SEVERAL and "IndexName" not in node.members:
        yield from _torn(state, position, node, actor.view or (), then)
        return
    reply, database = model.execute(state.database, request.operation, node.members)
    answered = database
    if request.operation == "TransactWriteItems" and request not in state.flying:
        answered = database.without_token(node.members["ClientRequestToken"])  # nobody sends it again
    yield Step(position, "", request, reply), then(node.after(reply), answered)
    for fate in job.fates if state.faults else ():
        is_executed, dies, flies = _FATES[fate]
        after = then(None if dies else node.after(LOST), database if is_executed else state.database)
        flying = (*state.flying, request) if flies else state.flying
        yield (
            Step(position, fate, request, reply if is_executed else None),
            after._replace(faults=state.faults - 1, flying=flying),
        )


def _torn(
    state: State,
    position: int,
    node: Node,
    view: tuple[tuple[Place, str | None], ...],
    then: Callable[..., State],
) -> Iterator[tuple[Step, State]]:
    """Yield what a read can see next that takes its items one by one, or its answer when it has seen all."""
    request = node.request
    assert request is not None
    read = {place for place, _ in view}
    if request.operation == "BatchGetItem":
        following = [place for place in model.batch_places(node.members) if place not in read]
    else:
        # In two steps: it gets to where an item is, and then reads what is there.
        if view and view[-1][1] == _AHEAD:
            place = view[-1][0]
            seen = (*view[:-1], (place, state.database.items.get(place)))
            yield Step(position, f"reads {':'.join(place[1])}", request, None), then(node, state.database, seen)
            return
        ahead = [place for place, _ in model.walked(state.database, node.members)]
        following = list(_ahead(ahead, view, forward=node.members.get("ScanIndexForward", True))[:1])
        if sum(text is not None for _, text in view) == node.members.get("Limit"):
            following = []
        for place in following:
            seen = (*view, (place, _AHEAD))
            yield Step(position, f"gets to {':'.join(place[1])}", request, None), then(node, state.database, seen)
            return
    for place in following:
        read_now = (place, state.database.items.get(place))
        seen = tuple(sorted((*view, read_now), key=str))  # in whatever order they were read
        yield Step(position, f"reads {':'.join(place[1])}", request, None), then(node, state.database, seen)
    if not following:
        frozen = Database({place: text for place, text in view if text is not None})
        reply, _ = model.execute(frozen, request.operation, node.members)
        yield Step(position, "", request, reply), then(node.after(reply), state.database)


def _ahead(places: Sequence[Place], view: tuple[tuple[Place, str | None], ...], *, forward: bool) -> Sequence[Place]:
    """Return the places behind the last one that was read."""
    if not view:
        return places
    last = view[-1][0]
    return [place for place in places if (place > last if forward else place < last)]
