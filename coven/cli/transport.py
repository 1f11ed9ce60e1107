"""How the command line's requests reach an agent: `requests`, with trust decided by us. Imported on first use."""

from __future__ import annotations

import os
import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import SSLError

from itf.mistakes import Kind, Mistake, Refused


class _Trusting(HTTPAdapter):
    """Believes `context`; with `fingerprint` (SHA-256), the one certificate that has it."""

    def __init__(self, context: ssl.SSLContext, fingerprint: str | None):
        self._context = context
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(ssl_context=self._context, assert_fingerprint=self._fingerprint)
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context says it all; the library would add CAs of its own."""


def session(url: str, ca: str | None, fingerprint: str | None) -> requests.Session:
    """Requests to an agent: no proxies and no netrc out of the environment. `ca`: a file, else $COVEN_CA, else the
    system's. Raises Refused for a file that is no certificate."""
    made = requests.Session()
    made.trust_env = False
    if url.startswith("https:"):
        context = _trust(ca or os.environ.get("COVEN_CA"))
        if fingerprint is not None:  # the one certificate is known
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            made.verify = False
        made.mount("https://", _Trusting(context, fingerprint))
    return made


def _trust(ca: str | None) -> ssl.SSLContext:
    """Whom to believe: the system's CAs, or `ca` alone."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        mistake = Mistake(file=ca, field="--ca", found="no certificate", expected="a certificate in PEM")
        raise Refused(mistake) from None
    except OSError as error:
        raise Refused(Mistake.of(error, file=ca, field="--ca", expected="a certificate in PEM")) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the agent's own certificate will do
    return context


def unreachable(url: str, error: requests.RequestException) -> Refused:
    """Why no answer came from `url`, in words."""
    cause = _innermost(error)
    if isinstance(cause, SSLError) and "ingerprint" in str(cause):
        return Refused(
            Mistake(
                found=f"another certificate at {url}", expected="the agent's own",
                remedy="something else answers there: ss -ltnp says what",
            ),
            title="not our agent",
        )  # fmt: skip
    found, expected, remedy = f"no agent at {url} ({_words(cause)})", None, "start one: coven serve"
    if isinstance(cause, ssl.SSLCertVerificationError):
        found, expected = f"{cause.verify_message}, of the certificate of {url}", "one that can be trusted"
        remedy = "--ca FILE names its CA's certificate, in PEM"
    elif isinstance(cause, ssl.SSLError | SSLError):
        found = f"no TLS at {url} ({getattr(cause, 'reason', None) or cause})"
        remedy = "an agent without TLS is asked with http://"
    return Refused(Mistake(found=found, expected=expected, remedy=remedy), title="no agent", kind=Kind.UNAVAILABLE)


def _innermost(error: BaseException) -> BaseException:
    """The operating system's own reason, below those of the libraries."""
    inner = getattr(error, "reason", None)
    if not isinstance(inner, BaseException):
        inner = next((each for each in error.args if isinstance(each, BaseException)), None)
    inner = inner or error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if inner is None or (isinstance(error, OSError) and error.errno is not None):
        return error
    return _innermost(inner)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
