"""Verifies certificates, and connects to servers, as programs in Python do. The arguments are those of go/main.go."""

import socket
import ssl
import sys
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

try:
    from cryptography.x509 import verification
except ImportError:  # Debian 12 has a version that reads certificates and does not verify chains.
    verification = None


def read(file):
    with open(file, "rb") as stream:
        return x509.load_pem_x509_certificate(stream.read())


def check_issued(certificate, issuer):
    if certificate.issuer != issuer.subject:
        raise ValueError("issued by another")
    issuer.public_key().verify(
        certificate.signature,
        certificate.tbs_certificate_bytes,
        ec.ECDSA(certificate.signature_hash_algorithm),
    )


def verify(columns):
    leaf, root = read(columns[1]), read(columns[3])
    issuers = [] if columns[2] == "-" else [read(file) for file in columns[2].split(",")]
    # Every extension is parsed, and none is one that the library does not know.
    for certificate in [leaf, *issuers, root]:
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.UnrecognizedExtension):
                raise ValueError("an extension that is not known")
    issuer = next((one for one in issuers if one.issuer == root.subject), root)
    check_issued(leaf, issuer)
    check_issued(issuer, root)
    if verification is not None and columns[4] != "-":
        builder = verification.PolicyBuilder().store(verification.Store([root]))
        is_address = columns[4].replace(".", "").isdigit()
        host = x509.IPAddress(ip_address(columns[4])) if is_address else x509.DNSName(columns[4])
        builder.build_server_verifier(host).verify(leaf, issuers)
    try:
        names = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return ""
    return " ".join(names.get_values_for_type(x509.UniformResourceIdentifier))


def connect(columns):
    host, port = columns[1].rsplit(":", 1)
    context = ssl.create_default_context(cafile=columns[3])
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname=columns[2]) as secure:
            return secure.cipher()[0]


do = {"verify": verify, "connect": connect}[sys.argv[1]]
with open(sys.argv[2]) as manifest:
    for line in manifest.read().splitlines():
        columns = line.split("\t")
        try:
            print(columns[0], f"ok {do(columns)}", sep="\t")
        except Exception as error:  # whatever it is, it is reported
            print(columns[0], f"error {type(error).__name__} {error}", sep="\t")
