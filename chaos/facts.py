"""What resources say, as far as the checker has an opinion. Read with upstream's messages, not pilotd's.

    fact("EDS", bytes)    CDS: "EDS" or "other"; EDS: the sorted list of [address, port, weight]
                          RDS: {"hosts": {virtual host: [[cluster, weight]] of its last route}, "clusters": all}
                          LDS: {"clusters": those that it goes to without a route table}
"""

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2


def cluster(data):
    read = cluster_pb2.Cluster.FromString(data)
    return "EDS" if read.type == cluster_pb2.Cluster.EDS else "other"


def endpoints(data):
    assignment = endpoint_pb2.ClusterLoadAssignment.FromString(data)
    return sorted([e.endpoint.address.socket_address.address, e.endpoint.address.socket_address.port_value,
                   e.load_balancing_weight.value] for locality in assignment.endpoints
                  for e in locality.lb_endpoints)


def destinations(action):
    """[[cluster, weight]] of a route or a TCP proxy."""
    return ([[c.name, getattr(c.weight, "value", c.weight)] for c in action.weighted_clusters.clusters]
            or ([[action.cluster, 0]] if action.cluster else []))


def route_clusters(table):
    names = set()
    for host in table.virtual_hosts:
        for route in host.routes:
            names.update(name for name, _ in destinations(route.route))
            names.update(mirror.cluster for mirror in route.route.request_mirror_policies)
    return names - {""}


def routes(data):
    table = route_pb2.RouteConfiguration.FromString(data)
    return {"hosts": {host.name: destinations(host.routes[-1].route)
                      for host in table.virtual_hosts if host.routes},
            "clusters": sorted(route_clusters(table))}


def listener(data):
    read, names = listener_pb2.Listener.FromString(data), set()
    for chain in [*read.filter_chains, read.default_filter_chain]:
        for network_filter in chain.filters:
            config = network_filter.typed_config
            tcp, http = tcp_proxy_pb2.TcpProxy(), http_connection_manager_pb2.HttpConnectionManager()
            if config.Is(tcp.DESCRIPTOR):
                config.Unpack(tcp)
                names.update(name for name, _ in destinations(tcp))
            elif config.Is(http.DESCRIPTOR):
                config.Unpack(http)
                names |= route_clusters(http.route_config)
    return {"clusters": sorted(names)}


FACTS = {"CDS": cluster, "EDS": endpoints, "LDS": listener, "RDS": routes}


def fact(kind, data):
    return FACTS[kind](data)
