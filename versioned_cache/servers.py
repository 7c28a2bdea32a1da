"""Which server has a key, and the connections to it: one server, the one that Sentinels name, or a cluster's nodes.

`renew` leaves every server: new connections lead wherever the address, a Sentinel or the cluster leads by then.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, ClassVar, cast

from django.utils.module_loading import import_string
from django_redis.pool import ConnectionFactory as DjangoRedisFactory
from redis import Redis
from redis.cluster import ClusterNode, NodesManager
from redis.connection import Connection, ConnectionPool
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.sentinel import Sentinel, SentinelConnectionPool

from versioned_cache.addresses import Address, Topology
from versioned_cache.connection import (
    NamedMasterConnection,
    NamedMasterTlsConnection,
    PlainTlsConnection,
    TcpConnection,
    TlsConnection,
    UnixConnection,
    background,
)

THE_ONLY_ONE = ""
"""The name of the server where there is one; nodes of a cluster have names of their own."""

SENTINEL_TIMEOUT_SECONDS = 0.25  # for each step, so that one that hangs leaves time for the others


class Servers:
    """One server, wherever it is at the moment. Safe to share between threads."""

    is_cluster = False

    def __init__(self, pool: ConnectionPool) -> None:
        self._client = Redis(connection_pool=pool)
        self._generation = 0

    @property
    def generation(self) -> int:
        """How often the servers were left; a connection that was made before has to be made anew."""
        return self._generation

    def server_of(self, key: str) -> str:
        """Return the name of the server that has a key. Asks nobody.

        Raises:
            redis.exceptions.ConnectionError: that is not known.
        """
        return THE_ONLY_ONE

    def primaries(self) -> list[str]:
        """Return the names of all servers that take writes. Asks nobody."""
        return [THE_ONLY_ONE]

    def client_of(self, server: str) -> Redis:
        """Return redis-py's client of a server."""
        return self._client

    def new_connection(self, server: str) -> Any:
        """Return a connection like those of a server's client, not connected yet and not of its pool."""
        pool = cast(Any, self.client_of(server).connection_pool)
        return pool.connection_class(**pool.connection_kwargs)

    def look(self) -> None:
        """Find out where the servers are now, however long that takes."""

    def look_soon(self) -> None:
        """Have somebody find out where the servers are now, since one does not answer."""

    def renew(self) -> None:
        """Never use any of the present connections again. Those in use end when their operation is done."""
        self._generation += 1
        for server in self.primaries():
            pool = cast(Any, self.client_of(server).connection_pool)
            pool.update_active_connections_for_reconnect()
            pool.disconnect_free_connections()


class ClusterServers(Servers):
    """The nodes of a cluster, and which slots they have. Its nodes are found in the background."""

    is_cluster = True

    def __init__(self, hosts: tuple[tuple[str, int], ...], arguments: Mapping[str, Any]) -> None:
        self._hosts = hosts
        self._arguments = arguments
        self._generation = 0
        self._manager: NodesManager | None = None
        self._looking: Future[None] | None = None

    def server_of(self, key: str) -> str:
        """Return the name of the node that has the slot of a key."""
        return str(self._nodes.get_node_from_slot(key_slot(key.encode())).name)

    def primaries(self) -> list[str]:
        """Return the names of the nodes that take writes; none while the cluster is not known."""
        nodes = [] if self._manager is None else self._manager.get_nodes_by_server_type("primary")
        return [node.name for node in nodes]

    def client_of(self, server: str) -> Redis:
        """Return redis-py's client of a node."""
        node = self._nodes.get_node(node_name=server)
        if node is None or node.redis_connection is None:
            raise RedisConnectionError(f"{server} is no longer a node of the cluster")
        return cast(Redis, node.redis_connection)

    def look(self) -> None:
        """Ask the nodes which of them has which slots."""
        if self._manager is None:
            self._manager = NodesManager(
                [cast(Any, ClusterNode)(host, port) for host, port in self._hosts], from_url=True, **self._arguments
            )
        else:
            self._manager.initialize(disconnect_startup_nodes_pools=False)

    def look_soon(self) -> None:
        """Ask the nodes which of them has which slots, in the background."""
        if self._looking is None or self._looking.done():
            self._looking = background().submit(self.look)

    def renew(self) -> None:
        """Never use any of the present connections again, and find out who has which slots."""
        super().renew()
        self.look_soon()

    @property
    def _nodes(self) -> NodesManager:
        if self._manager is None:
            self.look_soon()
            raise RedisConnectionError("the cluster's nodes are not known yet")
        return self._manager


class ConnectionFactory(DjangoRedisFactory):  # type: ignore[misc]  # untyped here
    """How django-redis connects (setting `CONNECTION_FACTORY`): as the address says, wherever that leads."""

    _servers: ClassVar[dict[tuple[Address, str], Servers]] = {}

    def servers(self, client_name: str) -> Servers:
        """Return the servers; all threads share them."""
        address: Address = self.options["ADDRESS"]
        if (address, client_name) not in self._servers:
            self._servers.setdefault((address, client_name), self._made(address, client_name))
        return self._servers[address, client_name]

    def connect(self, url: str) -> Redis:
        """Return redis-py's client of the only server; `url` is the name of the clients."""
        return self.servers(url).client_of(THE_ONLY_ONE)

    def _made(self, address: Address, client_name: str) -> Servers:
        arguments = self.make_connection_params("") | self.pool_cls_kwargs | address.credentials.as_arguments()
        arguments |= {"client_name": client_name, "db": address.database}
        del arguments["url"]
        if address.path:
            return Servers(ConnectionPool(connection_class=UnixConnection, path=address.path, **arguments))
        arguments |= {} if address.tls is None else {"tls": address.tls}
        if address.topology is Topology.SENTINEL:
            connection_class = NamedMasterConnection if address.tls is None else NamedMasterTlsConnection
            sentinel = _sentinel(address)
            return Servers(
                cast(Any, SentinelConnectionPool)(
                    address.master, sentinel, connection_class=connection_class, **arguments
                )
            )
        arguments["connection_class"] = TcpConnection if address.tls is None else TlsConnection
        if address.topology is Topology.CLUSTER:
            return ClusterServers(address.hosts, arguments)
        ((host, port),) = address.hosts
        return Servers(ConnectionPool(host=host, port=port, **arguments))


def servers_of(entry: Mapping[str, Any]) -> Servers:
    """Return the servers of an entry of the setting `CACHES`."""
    (client_name,) = entry["LOCATION"]
    factory = import_string(entry["OPTIONS"]["CONNECTION_FACTORY"])
    return cast(Servers, factory(entry["OPTIONS"]).servers(client_name))


def _sentinel(address: Address) -> Sentinel:
    arguments = {
        **address.sentinel_credentials.as_arguments(),
        "connection_class": Connection,
        "socket_connect_timeout": SENTINEL_TIMEOUT_SECONDS,
        "socket_timeout": SENTINEL_TIMEOUT_SECONDS,
        "driver_info": None,
        "protocol": 2,
    }
    if address.tls is not None:
        arguments |= {"connection_class": PlainTlsConnection, "tls": address.tls}
    sentinel: Sentinel = cast(Any, Sentinel)([])
    sentinel.sentinels = [
        Redis(connection_pool=ConnectionPool(host=host, port=port, **arguments)) for host, port in address.hosts
    ]
    return sentinel
