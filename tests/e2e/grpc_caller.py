"""A gRPC application without a proxy: calls the target xds:///NAME that each line of standard input names, and
answers with who answered, or with the status. The bootstrap is in its environment."""

import sys

import grpc

METHOD = "/pilotd.test.Who/Ask"
CALL_S = 5


def main():
    channels = {}
    for line in sys.stdin:
        target, *headers = line.split()
        channel = channels.setdefault(target, grpc.insecure_channel(f"xds:///{target}"))
        ask = channel.unary_unary(METHOD)
        try:
            metadata = [tuple(header.split("=", 1)) for header in headers]
            print(ask(b"", timeout=CALL_S, metadata=metadata).decode(), flush=True)
        except grpc.RpcError as error:
            print(error.code().name, flush=True)


main()
