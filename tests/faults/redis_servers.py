"""Redis in every shape that it has in the world: real processes, of the embedded Valkey's binary.

One server, with TLS or an access list; a primary with its replica and Sentinels; a cluster of three.
"""
