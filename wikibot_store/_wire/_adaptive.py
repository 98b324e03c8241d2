"""AWS's adaptive retry mode: a rate of sending that throttles lower and successes raise again."""

import asyncio

from aiobotocore.retries.adaptive import AsyncClientRateLimiter
from aiobotocore.retries.bucket import AsyncTokenBucket
from botocore.retries.adaptive import RateClocker
from botocore.retries.bucket import Clock
from botocore.retries.throttling import CubicCalculator

from wikibot_store._wire._answers import NotSentError


class _Detector:
    """Tells the limiter what it asks for: the wire has judged the answer already."""

    def is_throttling_error(self, *, throttled: bool) -> bool:
        return throttled


class RateLimiter:
    """Holds requests back after throttles, by aiobotocore's own calculation; until the first one it lets all pass."""

    def __init__(self) -> None:
        clock = Clock()
        self._limiter = AsyncClientRateLimiter(
            rate_adjustor=CubicCalculator(starting_max_rate=0, start_time=clock.current_time()),
            rate_clocker=RateClocker(clock),
            token_bucket=AsyncTokenBucket(max_rate=1, clock=clock),  # type: ignore[arg-type]  # the stubs name botocore's
            throttling_detector=_Detector(),  # type: ignore[arg-type]  # it asks for no more
            clock=clock,
        )

    async def wait(self, deadline: float) -> None:
        """Wait until one more request may be sent.

        Raises:
            NotSentError: That was not the case before the deadline.

        """
        try:
            async with asyncio.timeout_at(deadline):
                await self._limiter.on_sending_request(None)
        except TimeoutError as error:
            raise NotSentError from error

    async def answered(self, *, throttled: bool) -> None:
        """Take into account how an attempt ended."""
        await self._limiter.on_receiving_response(throttled=throttled)
