"""Inputs to begin with: what real CARP implementations were heard to say."""

from collections.abc import Iterator

from tests.carp.fuzz import GROUP, OWN, PEER
from tests.carp.vectors import CAPTURES
from tests.fuzz.receive import AS_IPV4, AS_IPV6, AS_RAW_IPV6, Record

from carpool.carp.packet import ipv4_packet, ipv6_packet

_SECOND, _PATIENCE = 4, 6  # places in STEPS


def inputs() -> Iterator[bytes]:
    """Yield each advertisement alone, in each form, also as our own, and whole captures."""
    for capture in CAPTURES:
        heard = []
        whose = bytes((capture.vhid == 101,))  # a place in ROLES
        for advert in capture.adverts:
            packet = advert.frame[14:] if advert.frame else ipv4_packet(PEER[4], advert.payload)
            reading = AS_IPV4 if packet[0] >> 4 == 4 else AS_IPV6
            heard.append(Record(reading, 1, _SECOND, packet))
            over_ipv6 = ipv6_packet(PEER[6], advert.payload, GROUP[6])
            yield whose + heard[-1].encode()
            yield whose + Record(AS_IPV4, 1, 0, ipv4_packet(OWN[4], advert.payload)).encode()
            yield whose + Record(AS_RAW_IPV6, 1, _PATIENCE, over_ipv6).encode()
        yield whose + b"".join(record.encode() for record in heard[:8])
