"""A name server for tests: answers A questions over UDP from a table that may change meanwhile."""

import os
import socket
import socketserver
import struct
import threading

A_RECORD, INTERNET, TTL_S = 1, 1, 1


def question(packet):
    """(name, type, bytes of the question) of a packet's only question."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    kind, = struct.unpack_from("!H", packet, at + 1)
    return ".".join(labels), kind, packet[12:at + 5]


class NameServer(socketserver.ThreadingUDPServer):
    """`names`: name -> addresses. A name that is not there does not exist."""

    daemon_threads = True

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            packet, reply = self.request
            name, kind, asked = question(packet)
            self.server.asked.append(name)
            known = self.server.names.get(name)
            addresses = (known or []) if kind == A_RECORD else []
            flags = 0x8580 if known is not None else 0x8583
            answer = packet[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0) + asked
            for address in addresses:
                answer += struct.pack("!HHHIH", 0xC00C, A_RECORD, INTERNET, TTL_S, 4)
                answer += socket.inet_aton(address)
            reply.sendto(answer, self.client_address)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.names, self.asked, self.port = {}, [], self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def asked_by(self, command, directory):
        """The command, with this server in its /etc/resolv.conf (a mount namespace of its own)."""
        path = os.path.join(directory, f"resolv-{self.port}.conf")
        with open(path, "w", encoding="ascii") as out:
            out.write(f"nameserver 127.0.0.1:{self.port}\noptions ndots:1\n")
        return ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else []), "sh", "-c",
                'mount --bind "$0" /etc/resolv.conf && exec "$@"', path, *command]
