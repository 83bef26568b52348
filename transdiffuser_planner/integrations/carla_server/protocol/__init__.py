"""Bytes on the wire: msgpack-rpc, streams, payloads of sensors. Knows nothing of the simulated world."""
