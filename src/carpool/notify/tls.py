"""Whose certificates are trusted, and what is said of those that are not."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from carpool.notify.job import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Mapping


def context(keys: Mapping[str, Any]) -> ssl.SSLContext:
    """Return how to make a connection secure. Raises DeliveryError."""
    made = ssl.create_default_context()
    file = keys.get("ca_file")
    if file:
        try:
            made.load_verify_locations(file)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or "there is no certificate in it"
            raise DeliveryError(f"ca_file {file}: {reason}", lasting=True) from None
    if keys.get("verify") is False:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def problem(error: OSError) -> DeliveryError:
    """Return what a failed connection means, in words. Raises TimeoutError as it is."""
    if isinstance(error, TimeoutError):
        raise error
    if isinstance(error, socket.gaierror):
        return DeliveryError(f"the name cannot be looked up: {error.strerror}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeliveryError(f"its certificate is not valid: {error.verify_message}", lasting=True)
    if isinstance(error, ssl.SSLError):
        said = (error.reason or str(error)).replace("_", " ").lower()
        return DeliveryError(f"TLS: {said}")
    return DeliveryError(error.strerror or str(error) or type(error).__name__)
