"""Composition: from a configuration to a house that serves."""

from pointsman.compose.building import Settings, build
from pointsman.compose.certificates import certificate_warnings, check_certificates
from pointsman.compose.house import House
from pointsman.compose.serving import serve

__all__ = ["House", "Settings", "build", "certificate_warnings", "check_certificates", "serve"]
