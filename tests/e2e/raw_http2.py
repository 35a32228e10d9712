"""HTTP/2 by hand: frames as no library would send them."""

import socket
import struct

import hpack

WAIT_S = 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(**fields):
    """HPACK: literals without indexing, no Huffman code."""
    block = b""
    for name, value in fields.items():
        name = name.replace("__", ":").replace("_", "-").encode()
        block += b"\x00" + bytes([len(name)]) + name
        assert len(value) < 127
        block += bytes([len(value)]) + value.encode()
    return block


def grpc_headers(path, content_type="application/grpc", method="POST", **more):
    return headers(__method=method, __scheme="http", __path=path, __authority="x",
                   content_type=content_type, te="trailers", **more)


def grpc_message(body, flag=0):
    return struct.pack(">BI", flag, len(body)) + body


class RawHttp2:
    def __init__(self, address, receive_bytes=None):
        """receive_bytes: of the kernel's own buffer."""
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.decoder = b"", hpack.Decoder()

    def send(self, data, piece=None):
        step = piece or len(data)
        for at in range(0, len(data), step):
            self.socket.sendall(data[at:at + step])

    def greet(self, settings=b""):
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))
        return self

    def frame(self):
        """(type, flags, stream, payload): of headers, a dictionary."""
        while len(self.received) < 9 or len(self.received) < 9 + self._length():
            chunk = self.socket.recv(65536)
            assert chunk, "the connection was closed"
            self.received += chunk
        size = 9 + self._length()
        whole, self.received = self.received[:size], self.received[size:]
        kind, flags, stream = struct.unpack(">BBI", whole[3:9])
        return kind, flags, stream, dict(self.decoder.decode(whole[9:])) if kind == HEADERS else whole[9:]

    def _length(self):
        return int.from_bytes(self.received[:3], "big")

    def until(self, kind, stream):
        while True:
            found = self.frame()
            if found[0] == kind and found[2] == stream:
                return found

    def farewell(self):
        """(error code, text) of the GOAWAY, read until the connection is closed; None: none came."""
        told = None
        try:
            while True:
                kind, _, _, payload = self.frame()
                if kind == GOAWAY:
                    told = int.from_bytes(payload[4:8], "big"), payload[8:].decode()
        except (AssertionError, ConnectionError):
            return told
        finally:
            self.close()

    def close(self):
        self.socket.close()
