"""A server that answers every DynamoDB operation with bytes made beforehand, so that only the client is measured.

    python benchmarks/canned_server.py answers.json [--cert cert.pem --key key.pem] [--latency SECONDS]

`answers.json` maps an operation, or operation and table as `Query:wikis`, to the body of its answer. The URL is printed
on the first line; the server ends when its standard input is closed.
"""

import argparse
import asyncio
import json
import ssl
import sys
import zlib
from pathlib import Path

_HEAD_END = b"\r\n\r\n"


def response(body: bytes) -> bytes:
    """Return the whole HTTP response, with the headers that DynamoDB sends."""
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Server: Server\r\n"
        "Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n"
        "Content-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: keep-alive\r\n"
        "x-amzn-RequestId: 5VQNG2QK6BO6S1K6C8R1AJT1FRVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
        f"x-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    )
    return head.encode() + body


class CannedProtocol(asyncio.Protocol):
    """Reads a request to its end, looks at its operation, and writes the answer."""

    def __init__(self, answers: dict[str, bytes], latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker: TCP transports are that
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(_HEAD_END)) >= 0:
            head = self._buffer[:end].lower()
            start = head.index(b"content-length:") + len(b"content-length:")
            length = int(head[start : head.find(b"\r\n", start) if b"\r\n" in head[start:] else None])
            if len(self._buffer) < end + len(_HEAD_END) + length:
                return
            body = self._buffer[end + len(_HEAD_END) : end + len(_HEAD_END) + length]
            self._buffer = self._buffer[end + len(_HEAD_END) + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        target = head.index(b"dynamodb_20120810.") + len(b"dynamodb_20120810.")
        operation = head[target:].split(b"\r\n", 1)[0].decode()
        answer = self._answers.get(operation)
        if answer is None:
            table = json.loads(body).get("TableName", "")
            answer = self._answers[f"{operation}:{table}".lower()]
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def serve(answers: dict[str, bytes], context: ssl.SSLContext | None, latency: float) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: CannedProtocol(answers, latency), "127.0.0.1", 0, ssl=context)
    host = "127.0.0.1" if context is None else "localhost"
    print(f"{'http' if context is None else 'https'}://{host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--latency", type=float, default=0)
    arguments = parser.parse_args()
    context = None
    if arguments.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.cert, arguments.key)
    answers = {key.lower(): response(body.encode()) for key, body in json.loads(arguments.answers.read_text()).items()}
    asyncio.run(serve(answers, context, arguments.latency))


if __name__ == "__main__":
    main()
