#!/usr/bin/python3
"""One service of the demo: answers GET with what it is and what the services it calls answered.

    app.py --name reviews --version v2 --listen 127.0.0.1:19080 --calls ratings=127.0.1.4:9080

The name in --calls is the Host that is asked for; the address is where the sidecar listens for it
(or any address, where traffic is redirected). Headers that routing rules look at are passed on.
"""

import argparse
import http.client
import json
import signal
import socketserver
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSED_ON = ("end-user", "x-request-id")
CALL_TIMEOUT_S = 10


class App(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self):
        # HTTPServer's own asks DNS for its name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write

    def log_message(self, *args):
        pass

    def call(self, host, address):
        connection = http.client.HTTPConnection(address, timeout=CALL_TIMEOUT_S)
        headers = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
        try:
            connection.request("GET", "/", headers={"Host": host, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def do_GET(self):
        answer = {"name": self.server.args.name, "version": self.server.args.version}
        status = 200
        for host, address in self.server.calls:
            try:
                code, body = self.call(host, address)
                if code == 200:
                    answer[host] = json.loads(body)
                else:
                    status, answer[host] = 502, {"status": code, "body": body.decode(errors="replace")}
            except (OSError, ValueError, http.client.HTTPException) as problem:
                status, answer[host] = 502, {"problem": repr(problem)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", default="v1")
    parser.add_argument("--listen", required=True)
    parser.add_argument("--calls", action="append", default=[])
    args = parser.parse_args()
    host, port = args.listen.rsplit(":", 1)
    server = App((host, int(port)), Handler)
    server.args = args
    server.calls = [call.split("=", 1) for call in args.calls]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
