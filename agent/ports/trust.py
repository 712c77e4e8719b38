"""Whom TLS clients of both programs trust, and what is wrong with a certificate in one sentence (R51, S6).

The machine's own authorities count, by its own store; a private one is added by file, beside them.
"""

import ssl
from pathlib import Path

_EXPIRED, _TOO_EARLY = 10, 9
_OTHER_NAME = frozenset({62, 64})
_UNKNOWN_AUTHORITY = frozenset({2, 7, 18, 19, 20, 21})  # 7: of one that has a known name, but another key
"""OpenSSL's X509_V_ERR_… numbers, as `ssl.SSLCertVerificationError.verify_code` has them."""


class BadAuthority(Exception):  # noqa: N818 - a state of a file, told to a person
    """The file of a private authority can't be used; the text is one sentence."""


def client_context(ca: Path | None = None) -> ssl.SSLContext:
    """TLS against the system's store of authorities, and those in the PEM file `ca`. Raises BadAuthority."""
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
            # Whoever names one in between, or the hub's own, trusts that one (as Python does from 3.13 on).
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        except ssl.SSLError:
            raise BadAuthority(f"{ca} holds no PEM certificate: it begins with -----BEGIN CERTIFICATE-----") from None
        except OSError as error:
            raise BadAuthority(f"the authority's file {ca} can't be read: {error.strerror}") from None
    return context


def tls_fault(error: ssl.SSLError, host: str, remedy_ca: str) -> str:
    """What is wrong, and who can mend it; `remedy_ca` says how a private authority is named here."""
    code = getattr(error, "verify_code", None)
    if code == _EXPIRED:
        return (
            "the hub's certificate has expired: renew it there, it is taken without a restart (or is this clock wrong?)"
        )
    if code == _TOO_EARLY:
        return "the hub's certificate is not valid yet: look at the clocks of this machine and of the hub"
    if code in _OTHER_NAME:
        return f"the hub's certificate is for another name than {host}: use the name that stands in it, or renew it"
    if code in _UNKNOWN_AUTHORITY:
        return f"the hub's certificate is from an authority that this machine does not know: {remedy_ca}"
    if code:
        return f"the hub's certificate is not accepted: {getattr(error, 'verify_message', error)}"
    if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return f"{host} speaks no TLS at that port: is its address http://, or another port?"
    return f"no TLS with {host} ({error.reason or error})"
