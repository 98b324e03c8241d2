"""A short process that uses pyreqwest: sends some requests, closes the client and ends.

    python pyreqwest_client.py URL HEADERS BODY CALLS PAUSE

It prints the CPU time of one request in microseconds. HEADERS are JSON; PAUSE is the number of seconds to wait after
the client is closed. It imports nothing of the project, because second_transport.py runs it in its own environment.
"""

import asyncio
import json
import sys
import time
from datetime import timedelta

from pyreqwest.client import ClientBuilder  # type: ignore[import-not-found]  # not a dependency of the project


async def main(url: str, headers: dict[str, str], body: bytes, calls: int, pause: float) -> None:
    """Open a client, send the requests in the way a transport of the store would, and close the client."""
    client = ClientBuilder().max_connections(64).follow_redirects(False).no_proxy().build()
    started = time.process_time()
    for _ in range(calls):
        request = client.post(url).headers(headers).body_bytes(body).timeout(timedelta(seconds=5)).build()
        response = await request.send()
        assert response.status == 200
        await response.bytes()
    print((time.process_time() - started) / calls * 1e6, flush=True)
    await client.close()
    await asyncio.sleep(pause)


if __name__ == "__main__":
    url, headers, body, calls, pause = sys.argv[1:]
    asyncio.run(main(url, json.loads(headers), body.encode(), int(calls), float(pause)))
