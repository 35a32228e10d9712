"""The agent beside a proxy: an SDS server that gives one identity's certificate and its authority."""

from concurrent import futures

import grpc
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc


def read(path):
    with open(path, "rb") as source:
        return source.read()


class SecretServer(sds_pb2_grpc.SecretDiscoveryServiceServicer):
    def __init__(self, certificate, key, authority):
        identity = secret_pb2.Secret(name="default")
        identity.tls_certificate.certificate_chain.inline_bytes = read(certificate)
        identity.tls_certificate.private_key.inline_bytes = read(key)
        root = secret_pb2.Secret(name="ROOTCA")
        root.validation_context.trusted_ca.inline_bytes = read(authority)
        self.secrets = {"default": identity, "ROOTCA": root}
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(self, self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def StreamSecrets(self, requests, context):
        for request in requests:
            if request.response_nonce:
                continue
            answer = discovery_pb2.DiscoveryResponse(version_info="1", nonce="1",
                                                     type_url=request.type_url)
            for name in request.resource_names:
                answer.resources.add().Pack(self.secrets[name])
            yield answer

    def close(self):
        self.server.stop(None)
