"""What is inside a gateway guest: from typed settings to the documents that it boots from.

Pure: values in, text out. Nothing here reads the clock, the environment or the machine it runs on.

    seed = seed_documents(GuestSettings(...), GatewaySettings(...), PLATFORMS["debian-13"])
    seed.user_data, seed.meta_data, seed.network_config, seed.content_hash
"""

from cloudinit.checks import Check, checks_for
from cloudinit.documents import SeedDocuments, seed_documents
from cloudinit.files import PATHS, GuestFile
from cloudinit.gateway_settings import GatewaySettings
from cloudinit.guest_settings import GuestSettings, PackageSettings
from cloudinit.kernel_settings import KernelSettings
from cloudinit.packages import packages
from cloudinit.platforms import PLATFORMS, Platform, platform_named
from cloudinit.routing import Route, UpstreamGroup, UpstreamServer
from cloudinit.rules import broken_rules
from cloudinit.substance import substance

__all__ = [
    "PATHS",
    "PLATFORMS",
    "Check",
    "GatewaySettings",
    "GuestFile",
    "GuestSettings",
    "KernelSettings",
    "PackageSettings",
    "Platform",
    "Route",
    "SeedDocuments",
    "UpstreamGroup",
    "UpstreamServer",
    "broken_rules",
    "checks_for",
    "packages",
    "platform_named",
    "seed_documents",
    "substance",
]
