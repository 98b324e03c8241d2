"""An engine with the fault proxy in front of it, and the outcome of a call through the proxy."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiobotocore.config import AioConfig

from tests.access_patterns import AccessPattern
from tests.faults.clients import CLIENTS
from tests.faults.invariants import Stored, read_all
from tests.hedges import every_read_hedged
from tests.integration.samples import STORED_TIME
from tests.world import NOTHING, replace
from wikibot_store import StoreConfig, WikibotStore, WikiKey
from wikibot_store._wire import _retry
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables
from wikibot_store.testing import FaultProxy

_ATTEMPTS = 3
_PATIENT = 60
_HASTY = 0.15
_CONNECTIONS = 4
SLOW = 3.0
"""Seconds that a slow answer takes. Each of its ten pieces takes longer than the short read timeout."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_RANDOM = re.compile(r"[0-9a-f]{24,32}")
_SECRET = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])")


@dataclass(frozen=True)
class Outcome:
    """What a call returned or raised, and what was stored afterwards."""

    result: str | None
    error: Exception | None
    stored: Stored

    @property
    def failed(self) -> bool:
        """Whether the call raised an error, or returned one in a finding as `sweep` does."""
        return self.error is not None or '"problem": "' in (self.result or "")

    @property
    def state(self) -> list[str]:
        """What was stored, in a form that can be compared."""
        return comparable(self.stored)


def comparable(stored: Stored) -> list[str]:
    """Return items without the values that are new in each run."""
    return sorted(_masked(item) for table in stored.tables.values() for item in table)


def _masked(value: object) -> str:
    """Return JSON with placeholders for the values that are new in each run: times, random ids and secrets."""
    text = json.dumps(value, sort_keys=True)
    text = _TIME.sub(lambda time: time[0] if time[0] == STORED_TIME else "now", text)
    return _SECRET.sub("secret", _RANDOM.sub("random", text))


def _plain(result: object) -> object:
    """Return the result of a method as JSON values, also a model with private attributes."""
    match result:
        case msgspec.Struct():
            names = [name for name in result.__struct_fields__ if not name.startswith("_")]
            return {name: _plain(getattr(result, name)) for name in names}
        case dict():
            return {key.wiki_id if isinstance(key, WikiKey) else key: _plain(value) for key, value in result.items()}
        case list() | tuple():
            return [_plain(value) for value in result]
        case _:
            return msgspec.to_builtins(result)


@dataclass(frozen=True, kw_only=True)
class Side:
    """Two stores or two clients of aiobotocore: one with a long and one with a short read timeout."""

    patient: Any
    hasty: Any


@dataclass(kw_only=True)
class Arena:
    """One engine. `direct` sends to it directly; `stores` and `clients` send through the proxy."""

    engine: str
    direct: WikibotStore
    proxy: FaultProxy
    stores: Side
    clients: Side
    _stored: Stored = field(default=NOTHING)

    async def read(self) -> Stored:
        """Return what is stored."""
        self._stored = await read_all(self.direct)
        return self._stored

    async def reset(self, wanted: Stored) -> None:
        """End all faults, forget the requests so far, and store exactly `wanted`."""
        self.proxy.clear()
        await self.write(wanted)
        self.proxy.requests.clear()
        for store in (self.stores.patient, self.stores.hasty):
            # A call must not depend on the retry quota and the clock offset that earlier calls left.
            store._wire._quota = _retry.RetryQuota()
            store._wire._clock_offset = 0.0

    async def write(self, wanted: Stored) -> None:
        """Store exactly `wanted`."""
        await replace(self.direct, self._stored, wanted)
        self._stored = wanted

    async def call(self, case: AccessPattern, *, hasty: bool = False) -> Outcome:
        """Make the call and return its outcome."""
        side = self.clients if case in CLIENTS else self.stores
        try:
            async with asyncio.timeout(_PATIENT):
                result = _masked(_plain(await case.call(side.hasty if hasty else side.patient)))
        except Exception as error:  # noqa: BLE001 - the error is judged
            return Outcome(None, error, await self.read())
        return Outcome(result, None, await self.read())


@asynccontextmanager
async def arena(engine: str, url: str, *, hedged: bool = False) -> AsyncIterator[Arena]:
    """Open an arena on an engine that has no tables yet.

    `hedged`: the stores send every read twice, on connections that were opened before.
    """
    session = local_session()

    def settings(read_timeout: float) -> dict[str, Any]:
        return {
            "read_timeout": read_timeout,
            "max_attempts": _ATTEMPTS,
            "deadline": _PATIENT,
            "grantee_index": True,
            "hedge_reads": hedged,
        }

    def config(read_timeout: float) -> AioConfig:
        return AioConfig(read_timeout=read_timeout, retries={"total_max_attempts": _ATTEMPTS})

    def store(url: str, read_timeout: float) -> Any:  # noqa: ANN401 - a context
        config = StoreConfig(endpoint_url=url, **settings(read_timeout))
        return WikibotStore.open(config, session=session, connect=_CONNECTIONS if hedged else 0)

    async with (
        FaultProxy(url) as proxy,
        store(url, _PATIENT) as direct,
        store(proxy.url, _PATIENT) as patient,
        store(proxy.url, _HASTY) as hasty,
        session.create_client("dynamodb", endpoint_url=proxy.url, config=config(_PATIENT)) as client,
        session.create_client("dynamodb", endpoint_url=proxy.url, config=config(_HASTY)) as hasty_client,
    ):
        await create_tables(direct)
        with _no_waiting(), every_read_hedged() if hedged else nullcontext():
            yield Arena(
                engine=engine,
                direct=direct,
                proxy=proxy,
                stores=Side(patient=patient, hasty=hasty),
                clients=Side(patient=client, hasty=hasty_client),
            )


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Retry without a pause; the matrix does not test the pauses."""
    delays = _retry._BASE_DELAY, _retry._THROTTLE_DELAY, _retry._BASE_YIELD
    _retry._BASE_DELAY = _retry._THROTTLE_DELAY = _retry._BASE_YIELD = 0.0
    try:
        yield
    finally:
        _retry._BASE_DELAY, _retry._THROTTLE_DELAY, _retry._BASE_YIELD = delays
