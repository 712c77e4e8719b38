"""What macOS grants to this interpreter; other systems have no such thing (unseen: run by nobody yet)."""

import ctypes
import sys

from agent.doctor.checks.permissions import PermissionFacts

_SERVICES = "/System/Library/Frameworks/ApplicationServices.framework/ApplicationServices"


def look_at_permissions() -> PermissionFacts | None:
    """Asked of the system, without a question to the user; None where there is nothing to ask."""
    if sys.platform != "darwin":
        return None
    try:
        services = ctypes.CDLL(_SERVICES)
        control, capture = services.AXIsProcessTrusted, services.CGPreflightScreenCaptureAccess
    except (OSError, AttributeError):
        return PermissionFacts()
    control.restype = capture.restype = ctypes.c_bool
    return PermissionFacts(may_control=bool(control()), may_capture=bool(capture()))
