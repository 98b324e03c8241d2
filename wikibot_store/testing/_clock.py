"""The clock of the proxy. A signature that is too old or too new for it is refused, as AWS does it."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from wikibot_store.testing._exchange import Answer, refusal

# https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
_TOLERANCE = timedelta(minutes=5)
_FORMAT = "%Y%m%dT%H%M%SZ"


class Clock:
    """A clock that is `ahead` of the machine's clock."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self.ahead

    @property
    def date(self) -> str | None:
        """The time as a Date header, None if it is the machine's time."""
        return format_datetime(self._now(), usegmt=True) if self.ahead else None

    def judge(self, amz_date: str | None) -> Answer | None:
        """Return the refusal of a request with this X-Amz-Date, None if it is accepted."""
        if not self.ahead or amz_date is None:
            return None
        now, signed = self._now(), datetime.strptime(amz_date, _FORMAT).replace(tzinfo=UTC)
        if signed < now - _TOLERANCE:
            is_off, limit, sign = "Signature expired: {} is now earlier than", now - _TOLERANCE, "-"
        elif signed > now + _TOLERANCE:
            is_off, limit, sign = "Signature not yet current: {} is still later than", now + _TOLERANCE, "+"
        else:
            return None
        return refusal(
            "InvalidSignatureException",
            f"{is_off.format(amz_date)} {limit:{_FORMAT}} ({now:{_FORMAT}} {sign} 5 min.)",
        )
