"""Small boot files made by hand: PE images with a machine type, sections and signatures."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

X64, IA32, ARM64 = 0x8664, 0x14C, 0xAA64
_HEADERS = 0x200


def efi_program(
    machine: int = X64, *, subsystem: int = 10, section: tuple[bytes, bytes] = (b".text", b"code"),
    signers: Sequence[str] = (),
) -> bytes:  # fmt: skip
    """A PE32+ image with one section and a certificate table: as much of one as a reader looks at."""
    name, content = section
    content = content.ljust(0x200, b"\0")
    table = b"".join(_certificate(signer) for signer in signers)
    start = _HEADERS + len(content)
    coff = struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, 0xF0, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, len(content), 0, 0, 0x1000, 0x1000)
    optional += struct.pack(
        "<QIIHHHHHHIIIIHHQQQQII",
        0x400000, 0x1000, 0x200, 0, 0, 0, 0, 0, 0, 0, 0x2000, _HEADERS, 0, subsystem, 0, 0, 0, 0, 0, 0, 16,
    )  # fmt: skip
    directories = bytearray(16 * 8)
    if table:
        struct.pack_into("<II", directories, 4 * 8, start, len(table))
    header = struct.pack(
        "<8sIIIIIIHHI", name, len(content), 0x1000, len(content), _HEADERS, 0, 0, 0, 0, 0x60000020
    )
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    return (head + coff + optional + bytes(directories) + header).ljust(_HEADERS, b"\0") + content + table


def _certificate(issuer: str) -> bytes:
    blob = pkcs7.serialize_certificates([_issued_by(issuer)], serialization.Encoding.DER)
    length = 8 + len(blob)
    return (struct.pack("<IHH", length, 0x200, 2) + blob).ljust((length + 7) // 8 * 8, b"\0")


def _issued_by(issuer: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    begin = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a signer")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
