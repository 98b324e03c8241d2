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
        self._prepared_for: tuple[int, Credentials] | None = None

    def headers(self, operation: str, body: bytes, credentials: Credentials, *, now: float) -> dict[str, str]:
        """Return the headers that make `body` a signed request; `now` is in seconds since 1970."""
        wanted = (int(now), credentials)
        if self._prepared_for != wanted:
            self._prepare(*wanted)
            self._prepared_for = wanted
        target = f"{_API}.{operation}"
        canonical = f"{self._before_target}{target}{self._after_target}{hashlib.sha256(body).hexdigest()}"
        inner = self._inner.copy()
        inner.update(f"{self._to_sign}{hashlib.sha256(canonical.encode()).hexdigest()}".encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return {**self._fixed, "X-Amz-Target": target, "Authorization": f"{self._authorization}{outer.hexdigest()}"}

    def _prepare(self, second: int, credentials: Credentials) -> None:
        """Compute what is the same for all requests of one second."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        token = credentials.token
        token_line, token_name = (f"x-amz-security-token:{token}\n", ";x-amz-security-token") if token else ("", "")
        signed_headers = f"content-type;host;x-amz-date{token_name};x-amz-target"
        scope = f"{moment[:8]}/{self._region}/dynamodb/aws4_request"
        self._before_target = f"{self._head}{moment}\n{token_line}x-amz-target:"
        self._after_target = f"\n\n{signed_headers}\n"
        self._to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n"
        self._authorization = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={signed_headers}, Signature="
        )
        self._fixed = {"Host": self.host, "Content-Type": CONTENT_TYPE, "X-Amz-Date": moment}
        if token:
            self._fixed["X-Amz-Security-Token"] = token
        key = f"AWS4{credentials.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        # HMAC spelled out (RFC 2104): copies of these two cost half of a copy of an HMAC object.
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def _canonical_host(scheme: str, hostname: str, port: int | None) -> str:
    """Return the Host header: the default port left out, an IPv6 address in brackets."""
    host = f"[{hostname}]" if ":" in hostname else hostname
    return host if port in (None, {"http": 80, "https": 443}[scheme]) else f"{host}:{port}"
