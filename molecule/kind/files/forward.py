# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let containers reach the lab's AWS, which listens on 127.0.0.1 alone: forward.py ADDRESS PORT, until it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry one direction of a connection to its end."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


async def main(address: str, port: int) -> None:
    """Serve the address; each connection goes on to the same port of 127.0.0.1."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pour(reader, there_writer), pour(there_reader, writer))

    server = await asyncio.start_server(serve, address, port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
