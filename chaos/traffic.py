"""The apps, and those who call them through their Envoy.

    traffic.py serve ADDRESS:PORT...
    traffic.py call ADDRESS:PORT NAME

A caller has CONNECTIONS connections, with a request every PAUSE_S on each, and writes a line twice a
second: {"e": "http", "t", "good": n, "bad": [[time, NAME, what]], "slowest": seconds}
"""

import asyncio
import json
import sys
import time

CONNECTIONS, PAUSE_S, TIMEOUT_S, TELL_S = 3, 0.03, 10, 0.5
REQUEST = b"GET / HTTP/1.1\r\nhost: web\r\n\r\n"


class Count:
    def __init__(self):
        self.good, self.bad, self.slowest = 0, [], 0.0

    def tell(self):
        print(json.dumps({"e": "http", "t": time.monotonic(), "good": self.good, "bad": self.bad,
                          "slowest": self.slowest}), flush=True)
        self.__init__()


async def backend(reader, writer):
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n")
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode(errors="replace").split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines
                   if line.lower().startswith("content-length:")), 0)
    body = await reader.readexactly(length)
    return lines[0].split(" ", 1)[1], body


async def caller(address, name, count):
    host, port = address.split(":")
    while True:
        writer = None
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
            while True:
                began = time.monotonic()
                writer.write(REQUEST)
                status, body = await asyncio.wait_for(answer(reader), TIMEOUT_S)
                count.slowest = max(count.slowest, time.monotonic() - began)
                if status.startswith("200"):
                    count.good += 1
                else:
                    count.bad.append([began, name, f"{status} {body[:100]!r}"])
                await asyncio.sleep(PAUSE_S)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as problem:
            count.bad.append([time.monotonic(), name, repr(problem)])
            await asyncio.sleep(0.2)
        finally:
            if writer:
                writer.close()


async def serve(addresses):
    for address in addresses:
        host, port = address.split(":")
        await asyncio.start_server(backend, host, int(port))
    await asyncio.Event().wait()


async def call(address, name):
    count = Count()
    kept = [asyncio.create_task(caller(address, name, count)) for _ in range(CONNECTIONS)]
    while kept:
        await asyncio.sleep(TELL_S)
        count.tell()


asyncio.run(serve(sys.argv[2:]) if sys.argv[1] == "serve" else call(*sys.argv[2:]))
