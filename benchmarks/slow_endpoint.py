"""An endpoint on loopback that answers every request after a while, for very little CPU time.

    python slow_endpoint.py SECONDS_PER_ANSWER

Prints its port, and serves until its standard input ends. It only looks for the end of each
request, and always answers the same.
"""

from __future__ import annotations

import asyncio
import json
import sys

TEXT = "The first answer keeps to the question. " * 30 + "<answer>[[A]]</answer>"
ANSWER = json.dumps(
    {
        "id": "one",
        "object": "chat.completion",
        "created": 1,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT},
                "finish_reason": "stop",
                "stop_reason": None,
            }
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300},
    }
).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """Waits for the end of a request, then for a while, and answers."""

    seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects."""
        self._transport, self._begun = transport, b""

    def data_received(self, data: bytes) -> None:
        """Some more of one or several requests."""
        self._begun += data
        while (size := _request_size(self._begun)) is not None:
            self._begun = self._begun[size:]
            asyncio.get_running_loop().call_later(self.seconds, self._answer)

    def _answer(self) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        if not self._transport.is_closing():
            self._transport.write(HEAD % len(ANSWER) + ANSWER)


def _request_size(begun: bytes) -> int | None:
    """How long the first request is, if it is there as a whole."""
    head, end, _ = begun.partition(b"\r\n\r\n")
    if not end:
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    size = len(head) + len(end) + (int(lengths[0].partition(b":")[2]) if lengths else 0)
    return size if len(begun) >= size else None


async def serve(seconds: float) -> None:
    """Serve until standard input ends."""
    Connection.seconds = seconds
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
