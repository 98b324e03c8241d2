"""Goes through the orders in which the requests of several clients reach DynamoDB, and through what becomes of them.

What a client does next is a function of its call and the answers that it got. So a state is the database and, per call,
the answers so far; states that are equal are explored once. The search is breadth first: the first failure that it
meets has the shortest schedule.

Schedules that differ only in the order of independent requests are explored once (`Job.reduced`). Nothing is lost:

- A read that nobody can disturb comes next at once. No other call, whatever happens, writes what it reads, so it has
  the same answer at any later moment; the databases on the way are the same too. Which places a call may write is
  collected from all of its requests ever seen. If a search meets a new one after it has relied on them, it is repeated.
  This is not done with the first request of a call and with one that ends it: their order says which calls had ended
  before others began.
- With bounded preemption, a call that was interrupted goes on only after a request that its own next one depends on.
  Otherwise it could as well have been interrupted later.
- A read whose answer is lost is sent again, and that is a read at a later moment. A client that dies before a read
  could as well have died after it.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import count, product
from typing import Any, NamedTuple, Protocol

from tests.exploration import model
from tests.exploration.clients import LOST, Call, Outcome, Request, Run
from tests.exploration.model import Database, Place, Reply, Touched
from wikibot_store import WriteOutcomeUnknownError
from wikibot_store.errors import ThrottledError, UnavailableError

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
_NOTHING = Touched(frozenset(), frozenset(), frozenset())


class Footprint:
    """The places that a call may write, as far as its requests have been seen; shared by all its nodes."""

    def __init__(self) -> None:
        self.disturbs: set[Place] = set()


class Node:
    """A call and the answers that it got so far: what it waits for now, or what came of it."""

    __slots__ = (
        "_call",
        "_children",
        "_first",
        "_run",
        "answers",
        "client",
        "footprint",
        "is_lossy",
        "members",
        "outcome",
        "request",
        "touched",
    )

    def __init__(self, call: Call, client: int, *, first_step: int = 0) -> None:
        self._call, self.client, self._first = call, client, first_step
        self.answers: tuple[Reply, ...] = ()
        self.footprint = Footprint()
        self.is_lossy = False
        self._stop_at(Run(call, client, first_step))

    def _stop_at(self, run: Run) -> None:
        self._children: dict[object, Node] = {}
        self._run: Run | None = run
        self.request: Request | None = run.waiting
        self.members: dict[str, Any] = {}
        self.outcome: Outcome | None = None
        self.touched = _NOTHING
        if self.request is None:
            self.outcome, self._run = run.outcome, None
        else:
            self.members = self.request.members
            self.touched = model.touched(self.request.operation, self.members)
            self.footprint.disturbs |= self.touched.disturbs

    def after(self, reply: Reply) -> "Node":
        """Return where the call is after one more answer."""
        key = "lost" if reply is LOST else (reply.status, model.canonical(reply.body))
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = Node.__new__(Node)
            child._call, child.client, child._first = self._call, self.client, self._first
            child.answers, child.footprint = (*self.answers, reply), self.footprint
            child.is_lossy = self.is_lossy or reply is LOST
            child._stop_at(self._resumed(reply))
        return child

    def _resumed(self, reply: Reply) -> Run:
        """Go on with the run that stands here, or play the call again up to here."""
        run, self._run = self._run, None
        if run is None:
            run = Run(self._call, self.client, self._first)
            for answer in self.answers:
                run.answer(answer)
        run.answer(reply)
        return run

    def abandon(self) -> None:
        """End the runs that stand here and further on."""
        if self._run is not None:
            self._run.abandon()
        for child in self._children.values():
            child.abandon()


class Executed(NamedTuple):
    """What a request comes to: its answer, the databases afterwards, and where the call goes on.

    After the answer nobody sends a transaction again, so that the `answered` database has forgotten it.
    """

    reply: Reply
    database: Database
    answered: Database
    after: Node


class Memory:
    """What explorations have in common: the same call of the same client does the same after the same answers."""

    def __init__(self) -> None:
        self._roots: dict[tuple[Call, int], Node] = {}
        self._executed: dict[tuple[Node, Database], Executed] = {}
        self._played: dict[tuple[Node, Database], tuple[Outcome, Database]] = {}
        self._databases: dict[Database, Database] = {}

    def __len__(self) -> int:
        return len(self._executed) + len(self._databases)

    def clear(self) -> None:
        """Forget everything."""
        for root in self._roots.values():
            root.abandon()
        for each in (self._roots, self._executed, self._played, self._databases):
            each.clear()

    def root(self, call: Call, client: int) -> Node:
        """Return a call that has not begun."""
        node = self._roots.get((call, client))
        if node is None:
            node = self._roots[call, client] = Node(call, client)
        return node

    def the(self, database: Database) -> Database:
        """Return the one that stands for all that are equal."""
        return self._databases.setdefault(database, database)

    def execute(self, node: Node, database: Database) -> Executed:
        """Execute the request that a call waits for."""
        known = self._executed.get((node, database))
        if known is None:
            assert node.request is not None
            reply, after = model.execute(database, node.request.operation, node.members)
            after = answered = database if after is database else self.the(after)
            if node.request.operation == "TransactWriteItems":
                answered = self.the(after.without_token(node.members["ClientRequestToken"]))
            known = self._executed[node, database] = Executed(reply, after, answered, node.after(reply))
        return known

    def play(self, root: Node, database: Database) -> tuple[Outcome, Database]:
        """Play one call alone, from its first request to its last."""
        known = self._played.get((root, database))
        if known is None:
            node, here = root, database
            while node.request is not None:
                _, _, here, node = self.execute(node, here)
            assert node.outcome is not None
            known = self._played[root, database] = node.outcome, here
        return known

    def passed(self, root: Node, database: Database) -> Iterator[Database]:
        """Yield what the tables hold after each request of a call that is played alone."""
        node, here = root, database
        while node.request is not None:
            _, _, here, node = self.execute(node, here)
            yield here


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

    `flying` are requests whose clients do not wait for them any more. `asleep` are the interrupted calls whose next
    request depends on nothing that has happened since.
    """

    database: Database
    actors: tuple[Actor, ...]
    flying: tuple[Request, ...] = ()
    faults: int = 0
    running: int | None = None
    preemptions: int | None = None
    noted: frozenset[str] = frozenset()
    asleep: frozenset[int] = frozenset()


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
    reduced: bool = True
    most_requests: int = 80
    most_states: int = 2_000_000


class Failure(NamedTuple):
    """What is wrong, and the shortest schedule that leads there."""

    problem: str
    schedule: tuple[Step, ...]
    state: State


@dataclass
class Result:
    """What an exploration has seen.

    `schedules` are told apart by more than the order of independent requests, at least so many.
    """

    states: int = 0
    schedules: int = 0
    ends: set[State] = field(default_factory=set)
    cut: bool = False
    failure: Failure | None = None


class Checks(Protocol):
    """What is checked of every state, and of those in which all calls have ended."""

    memory: Memory
    roots: list[Node]

    def check(self, state: State) -> str | None:
        """Return what is wrong at this moment, if anything is."""

    def check_end(self, state: State) -> str | None:
        """Return what is wrong when all calls have ended."""

    def note(self, before: State, after: State) -> frozenset[str]:
        """Return what a later check must know of."""


def explore(job: Job, checks: Checks) -> Result:
    """Go through all schedules of a job; stop at the first state that a check objects to."""
    while True:
        known = [len(root.footprint.disturbs) for root in checks.roots]
        search = _Search(job, checks)
        result = search.run()
        grown = known != [len(root.footprint.disturbs) for root in checks.roots]
        if result.failure is not None or result.cut or not (search.has_relied and grown):
            return result


class _Search:
    """One search through the schedules of a job."""

    def __init__(self, job: Job, checks: Checks) -> None:
        self._job, self._checks, self._memory = job, checks, checks.memory
        self.has_relied = False
        self._passed = 0
        self._first = list(range(len(job.calls)))  # of the calls that a client makes one after another
        for position, before in enumerate(job.after):
            if before is not None:
                self._first[position] = self._first[before]

    def run(self) -> Result:
        """Go through the states, level after level."""
        job = self._job
        actors = tuple(Actor(root) for root in self._checks.roots)
        start = State(self._memory.the(job.start), actors, faults=job.faults, preemptions=job.preemptions)
        result = Result()
        result.failure = self._taking_turns(start)
        if result.failure is not None:
            return result
        origin: dict[State, tuple[State, list[Step]] | None] = {start: None}
        levels: dict[int, dict[State, int]] = {0: {start: 1}}
        for depth in count():
            if not levels or result.states + self._passed > job.most_states:
                break
            for state, paths in levels.pop(depth, {}).items():
                result.states += 1
                problem = self._look_at(state, paths, result)
                if problem is not None:
                    result.failure = Failure(problem, _schedule(origin, state), state)
                    return result
                for step, moved in self._moves(state):
                    steps = [step]
                    then = self._to_next_choice(steps, self._noted(state, moved))
                    if then is None:
                        continue
                    level = levels.setdefault(depth + len(steps), {})
                    if then in level:
                        level[then] += paths
                    elif then not in origin:  # as when a client has died, however far it had come
                        origin[then] = (state, steps)
                        level[then] = paths
        result.states += self._passed
        result.cut = bool(levels)
        return result

    def _look_at(self, state: State, paths: int, result: Result) -> str | None:
        """Check a state that so many schedules lead to."""
        problem = self._checks.check(state) or self._endless(state)
        if problem is not None or any(actor.waits for actor in state.actors):
            return problem
        result.ends.add(state._replace(running=None, preemptions=None))
        result.schedules += paths
        return self._checks.check_end(state)

    def _noted(self, before: State, after: State) -> State:
        noted = self._checks.note(before, after)
        return after if noted is after.noted else after._replace(noted=noted)

    def _to_next_choice(self, steps: list[Step], state: State) -> State | None:
        """Go on for as long as only one thing can happen and nothing is wrong; return None if nothing can happen."""
        while self._job.reduced:
            choices, is_undisturbed = self._choices(state)
            if not choices and not state.flying:
                return None if any(actor.waits for actor in state.actors) else state
            if len(choices) != 1 or not (is_undisturbed or self._is_only(state, choices[0])):
                return state
            before, (position,) = state, choices
            if not (is_undisturbed or state.faults or state.preemptions):
                state = self._run_on(steps, state, position)
            else:
                step, state = next(self._requests(state, position, state.actors[position]))
                steps.append(step)
                self._passed += 1
            state = self._noted(before, state)
            is_same = state.database is before.database and state.actors[position].waits
            if self._endless(state) or (not is_same and self._checks.check(state)):
                self._passed -= 1
                return state  # it is found again at its depth
        return state

    def _run_on(self, steps: list[Step], state: State, position: int) -> State:
        """Answer the requests of a call that nobody interrupts, until it has changed the database or has ended."""
        (node, began, _), database, asleep = state.actors[position], state.database, state.asleep
        while node is not None and node.request is not None and database is state.database:
            if asleep:
                asleep = self._still_asleep(asleep, state, node.touched, is_first=began is None)
            began = _began(state) if began is None else began
            executed = self._memory.execute(node, database)
            steps.append(Step(position, "", node.request, executed.reply))
            self._passed += 1
            node, database = executed.after, executed.answered
            if len(node.answers) > self._job.most_requests:
                break
        actors = list(state.actors)
        actors[position] = Actor(node, began)
        moved = state._replace(database=database, actors=tuple(actors), asleep=asleep)
        return moved if state.preemptions is None else self._next_turn(moved, position)

    def _is_only(self, state: State, position: int) -> bool:
        """Return whether nothing else can happen than that this call goes on."""
        node = state.actors[position].node
        assert node is not None
        if state.flying or self._job.torn:
            return False
        return not state.faults or not (
            node.touched.writes or self._memory.execute(node, state.database).after.request is None
        )

    def _taking_turns(self, start: State) -> Failure | None:
        """Look for calls that keep each other from ending: let them take turns of all lengths, for long."""
        job, calls = self._job, len(start.actors)
        if calls != _PAIR or job.fates or job.after or job.torn or job.preemptions is not None:
            return None
        for turns in product(range(1, _LONGEST_TURN + 1), repeat=calls):
            state, schedule = start, []
            while any(actor.waits for actor in state.actors):
                for position, turn in enumerate(turns):
                    for _ in range(turn):
                        actor = state.actors[position]
                        if not actor.waits:
                            break
                        step, state = next(self._requests(state, position, actor))
                        schedule.append(step)
                problem = self._endless(state)
                if problem is not None:
                    return Failure(problem, tuple(schedule), state)
        return None

    def _endless(self, state: State) -> str | None:
        for position, (node, _, _) in enumerate(state.actors):
            if node is not None and len(node.answers) > self._job.most_requests:
                return f"call {position} has sent {len(node.answers)} requests and goes on"
        return None

    def _moves(self, state: State) -> Iterator[tuple[Step, State]]:
        """Yield what can happen next."""
        choices, is_undisturbed = self._choices(state)
        for position in choices:
            actor = state.actors[position]
            yield from self._requests(state, position, actor, torn=self._job.torn and not is_undisturbed)
        if is_undisturbed:
            return
        for position, request in enumerate(state.flying):
            reply, database = model.execute(state.database, request.operation, request.members)
            rest = state.flying[:position] + state.flying[position + 1 :]
            arrived = state._replace(database=self._memory.the(database), flying=rest, asleep=frozenset())
            yield Step(-1, "arrives late", request, reply), arrived

    def _choices(self, state: State) -> tuple[list[int], bool]:
        """Return which calls can go on, or the one that comes next because nobody can disturb it."""
        choices = [
            position
            for position, actor in enumerate(state.actors)
            if actor.waits and position not in state.asleep and self._may_run(state, position)
        ]
        if self._job.reduced and (len(choices) > 1 or self._job.torn):
            for position in choices:
                if self._is_undisturbed(state, position):
                    return [position], True
        return choices, False

    def _may_run(self, state: State, position: int) -> bool:
        first = self._job.after[position] if self._job.after else None
        if first is not None and state.actors[first].waits:
            return False
        if state.preemptions is None or state.running in {None, position} or state.preemptions > 0:
            return True
        return not state.actors[state.running].waits

    def _is_undisturbed(self, state: State, position: int) -> bool:
        """Return whether a call reads next what no other one can write, and goes on afterwards."""
        actor = state.actors[position]
        node = actor.node
        assert node is not None
        if state.preemptions is not None and state.running != position:
            return False
        if actor.began_after is None or actor.view or node.touched.writes:
            return False
        disturbing: list[AbstractSet[Place]] = [
            each.node.footprint.disturbs
            for other, each in enumerate(state.actors)
            if other != position and each.node is not None and each.waits
        ]
        disturbing += [model.touched(request.operation, request.members).disturbs for request in state.flying]
        if not all(node.touched.reads.isdisjoint(places) for places in disturbing):
            return False
        if self._memory.execute(node, state.database).after.request is None:
            return False
        self.has_relied = True
        return True

    def _requests(
        self, state: State, position: int, actor: Actor, *, torn: bool = False
    ) -> Iterator[tuple[Step, State]]:
        """Yield what can become of the request that a call waits for."""
        node, began = actor.node, actor.began_after
        assert node is not None
        assert node.request is not None
        request = node.request
        if began is None:
            began = _began(state)

        def then(after: Node | None, database: Database, view: Any = None, faults: int = 0, flying: Any = ()) -> State:  # noqa: ANN401 - as in Actor
            actors = list(state.actors)
            actors[position] = Actor(after, began, view)
            moved = State(database, tuple(actors), (*state.flying, *flying), state.faults - faults, noted=state.noted)
            return moved if state.preemptions is None else self._scheduled(state, position, moved)

        if torn and request.operation in _READS_OF_SEVERAL and "IndexName" not in node.members:
            yield from _torn(state, position, node, actor.view or (), then)
            return
        reply, database, answered, after = self._memory.execute(node, state.database)
        yield Step(position, "", request, reply), then(after, database if request in state.flying else answered)
        for fate in self._job.fates if state.faults else ():
            is_executed, dies, flies = _FATES[fate]
            if self._job.reduced and not node.touched.writes and not (dies and after.request is None):
                continue
            yield (
                Step(position, fate, request, reply if is_executed else None),
                then(
                    None if dies else node.after(LOST),
                    database if is_executed else state.database,
                    faults=1,
                    flying=[request] if flies else (),
                ),
            )

    def _scheduled(self, before: State, position: int, moved: State) -> State:
        """Return a state with whose turn it is, how many interruptions are left, and who need not go on yet."""
        assert before.preemptions is not None
        preemptions, asleep, interrupted = before.preemptions, before.asleep, before.running
        if interrupted is not None and interrupted != position and before.actors[interrupted].waits:
            preemptions -= 1
            if self._job.reduced:
                asleep |= {interrupted}
        if asleep:
            actor = before.actors[position]
            assert actor.node is not None
            asleep = self._still_asleep(asleep, before, actor.node.touched, is_first=actor.began_after is None)
        return self._next_turn(moved._replace(preemptions=preemptions, asleep=asleep), position)

    def _next_turn(self, state: State, position: int) -> State:
        """Return a state after a step of a call, without what makes no difference any more."""
        if not self._job.reduced:
            return state._replace(running=position)
        waiting = {self._first[each] for each, actor in enumerate(state.actors) if actor.waits}
        if len(waiting) == 1:
            return state._replace(running=None, preemptions=0)
        return state._replace(running=position if state.actors[position].waits else None)

    def _still_asleep(self, asleep: frozenset[int], state: State, step: Touched, *, is_first: bool) -> frozenset[int]:
        """Return the interrupted calls for whose next request a step makes no difference."""
        return frozenset(each for each in asleep if not self._wakes(state, step, each, is_first=is_first))

    def _wakes(self, state: State, step: Touched, sleeper: int, *, is_first: bool) -> bool:
        node = state.actors[sleeper].node
        assert node is not None
        if not model.are_independent(step, node.touched):
            return True
        is_seen = is_first or bool(step.writes)
        return is_seen and self._memory.execute(node, state.database).after.request is None


def _began(state: State) -> frozenset[int]:
    """Return which calls have ended before one that begins now."""
    return frozenset(position for position, actor in enumerate(state.actors) if actor.is_settled)


def _schedule(origin: dict[State, tuple[State, list[Step]] | None], state: State) -> tuple[Step, ...]:
    steps: list[Step] = []
    while (before := origin[state]) is not None:
        state, taken = before
        steps += reversed(taken)
    return tuple(reversed(steps))


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
