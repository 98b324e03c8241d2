"""A short life with pyreqwest: some requests, an orderly close, the end of the process.

    python pyreqwest_client.py URL CALLS PAUSE

It prints the CPU of one request in microseconds. PAUSE is for how many seconds to wait after the close. It needs
nothing of the project: second_transport.py runs it in an environment of its own.
"""

import asyncio
import sys
import time
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder  # type: ignore[import-not-found]  # no dependency of the project

_HEADERS = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}
_BODY = b'{"TableName":"wikis","Key":{"owner_id":{"S":"owner-1000"},"wiki_slug":{"S":"wiki-000000"}}}'


async def _post(client: Client, url: str) -> bytes:
    """Send what a point read sends, as a transport of the store would."""
    request = client.post(url).headers(_HEADERS).body_bytes(_BODY).timeout(timedelta(seconds=5)).build()
    response = await request.send()
    assert response.status == 200
    return bytes(await response.bytes())


async def main(url: str, calls: int, pause: float) -> None:
    """Open a client, send the requests, close it."""
    client = ClientBuilder().max_connections(64).follow_redirects(False).no_proxy().build()
    await _post(client, url)
    started = time.process_time()
    for _ in range(calls):
        await _post(client, url)
    print((time.process_time() - started) / calls * 1e6, flush=True)
    await client.close()
    await asyncio.sleep(pause)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
