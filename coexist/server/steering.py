"""Which worker a packet is for: by the client's MAC, so that each packet of a client meets what its earlier
packets left. The kernel decides, before anybody is woken.

A broadcast is copied to every socket of its port (``__udp4_lib_mcast_deliver`` in Linux's net/ipv4/udp.c), so
each socket has a filter. A unicast packet is given to one socket of the group (SO_REUSEPORT), and a program
chooses which. Both compute the same share of the MAC's last two octets; what is too short to have one is for
the first worker.
"""

from __future__ import annotations

import ctypes
import socket
import struct

_CHADDR = 28
_SHORTEST = _CHADDR + 6
_UDP_HEADER = 8
_SPREAD = 0x9E3779B1
"""Spreads numbers that follow one another, or that are all even (2^32 divided by the golden ratio)."""
_SO_ATTACH_FILTER = 26
_SO_ATTACH_REUSEPORT_CBPF = 51
_LOAD_LENGTH, _LOAD_HALF = 0x80, 0x28  # linux/filter.h: BPF_LD|BPF_W|BPF_LEN, BPF_LD|BPF_H|BPF_ABS
_MULTIPLY, _SHIFT, _MODULO = 0x24, 0x74, 0x94  # BPF_ALU|BPF_K and BPF_MUL, BPF_RSH, BPF_MOD
_IF_AT_LEAST, _IF_EQUAL = 0x35, 0x15  # BPF_JMP|BPF_K and BPF_JGE, BPF_JEQ
_RETURN, _RETURN_IT = 0x06, 0x16  # BPF_RET|BPF_K, BPF_RET|BPF_A
_ALL = 0xFFFF

Instruction = tuple[int, int, int, int]


def share_of(mac: int, workers: int) -> int:
    """The worker that a client belongs to."""
    return ((((mac & 0xFFFF) * _SPREAD) & 0xFFFFFFFF) >> 16) % workers if workers > 1 else 0


def _share(begins: int, workers: int) -> list[Instruction]:
    """Put the share of the MAC of a packet, whose payload begins there, into the accumulator; 0 if it has
    none."""
    return [
        (_LOAD_LENGTH, 0, 0, 0),
        (_IF_AT_LEAST, 1, 0, begins + _SHORTEST),
        (_RETURN, 0, 0, 0),
        (_LOAD_HALF, 0, 0, begins + _CHADDR + 4),
        (_MULTIPLY, 0, 0, _SPREAD),
        (_SHIFT, 0, 0, 16),
        (_MODULO, 0, 0, workers),
    ]


def choose(sock: socket.socket, workers: int) -> None:
    """Have the group of a socket choose by MAC among as many sockets, in the order they were bound."""
    _attach(sock, _SO_ATTACH_REUSEPORT_CBPF, [*_share(0, workers), (_RETURN_IT, 0, 0, 0)])


def keep_own(sock: socket.socket, worker: int, workers: int) -> None:
    """Have a socket take the packets of its worker's clients only."""
    program = _share(_UDP_HEADER, workers)
    if worker == 0:
        program[2] = (_RETURN, 0, 0, _ALL)
    rest = [(_IF_EQUAL, 0, 1, worker), (_RETURN, 0, 0, _ALL), (_RETURN, 0, 0, 0)]
    _attach(sock, _SO_ATTACH_FILTER, [*program, *rest])


def _attach(sock: socket.socket, option: int, program: list[Instruction]) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    octets = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("HP", len(program), ctypes.addressof(octets)))
