"""Runs a Hypothesis state machine against a store."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
from aiobotocore.session import AioSession
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.engines import throw_away_store
from wikibot_store import WikibotStore
from wikibot_store.provision import create_tables

_SHRINKING_SECONDS = 60


def run_machine(
    machine: Callable[[asyncio.Runner, WikibotStore], RuleBasedStateMachine],
    endpoint: str | None,
    session: AioSession,
    *,
    examples: int,
    steps: int,
) -> None:
    """Run a machine on a store with its own tables; report the smallest failure found within a minute."""
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )
    with (
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        _open_store(runner, endpoint, session) as store,
    ):
        # Five minutes are what Hypothesis would take, and no setting of its own changes that.
        patch.setattr("hypothesis.internal.conjecture.engine.MAX_SHRINKING_SECONDS", _SHRINKING_SECONDS)
        made: Any = partial(machine, runner, store)  # documented: anything that makes a machine
        run_state_machine_as_test(made, settings=bounds)


@contextmanager
def _open_store(runner: asyncio.Runner, endpoint: str | None, session: AioSession) -> Iterator[WikibotStore]:
    """Open a store in the runner's event loop, for calls from outside the loop."""
    stack = AsyncExitStack()
    try:
        store = runner.run(stack.enter_async_context(throw_away_store(endpoint, session)))
        runner.run(create_tables(store, environment="test"))
        yield store
    finally:
        runner.run(stack.aclose())
