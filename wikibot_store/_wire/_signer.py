"""AWS Signature Version 4 for one service at one endpoint, with everything that does not change computed once.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from typing import Protocol
from urllib.parse import quote, urlsplit

from botocore.utils import normalize_url_path

CONTENT_TYPE = "application/x-amz-json-1.0"
_API = "DynamoDB_20120810"


class Credentials(Protocol):
    """What botocore calls frozen credentials."""

    @property
    def access_key(self) -> str:
        """The access key id."""

    @property
    def secret_key(self) -> str:
        """The secret access key."""

    @property
    def token(self) -> str | None:
        """The session token of temporary credentials."""


class Signer:
    """Signs requests to one endpoint."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        url = urlsplit(endpoint_url)
        self.host = _canonical_host(url.scheme, url.hostname or "", url.port)
        self._region = region
        path = quote(normalize_url_path(url.path), safe="/~")
        self._head = f"POST\n{path}\n\ncontent-type:{CONTENT_TYPE}\nhost:{self.host}\nx-amz-date:"
        self._second = -1
        self._moment = ""
        self._key_for: tuple[str, str, str] | None = None
        self._mac = hmac.new(b"", digestmod="sha256")

    def headers(self, operation: str, body: bytes, credentials: Credentials, *, now: float) -> dict[str, str]:
        """Return the headers that make `body` a signed request; `now` is in seconds since 1970."""
        if self._second != (second := int(now)):
            self._second, self._moment = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        moment = self._moment
        date = moment[:8]
        target = f"{_API}.{operation}"
        token = credentials.token
        token_line, token_name = (f"x-amz-security-token:{token}\n", ";x-amz-security-token") if token else ("", "")
        signed_headers = f"content-type;host;x-amz-date{token_name};x-amz-target"
        digest = hashlib.sha256(body).hexdigest()
        canonical = f"{self._head}{moment}\n{token_line}x-amz-target:{target}\n\n{signed_headers}\n{digest}"
        scope = f"{date}/{self._region}/dynamodb/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        mac = self._keyed_mac(credentials, date).copy()
        mac.update(to_sign.encode())
        headers = {
            "Host": self.host,
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Date": moment,
            "X-Amz-Target": target,
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
                f"SignedHeaders={signed_headers}, Signature={mac.hexdigest()}"
            ),
        }
        if token:
            headers["X-Amz-Security-Token"] = token
        return headers

    def _keyed_mac(self, credentials: Credentials, date: str) -> hmac.HMAC:
        """Return an HMAC with the derived key, which is the same for a whole day; a copy of it costs little."""
        wanted = (credentials.access_key, credentials.secret_key, date)
        if self._key_for != wanted:
            key = f"AWS4{credentials.secret_key}".encode()
            for part in (date, self._region, "dynamodb", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key_for, self._mac = wanted, hmac.new(key, digestmod="sha256")
        return self._mac


def _canonical_host(scheme: str, hostname: str, port: int | None) -> str:
    """Return the Host header: the default port left out, an IPv6 address in brackets."""
    host = f"[{hostname}]" if ":" in hostname else hostname
    return host if port in (None, {"http": 80, "https": 443}[scheme]) else f"{host}:{port}"
