"""What a guest is made of: typed profiles, and the stylesheets that put them into libvirt's XML. Imports no Pulumi."""

from hardware.identity import derived_mac, derived_uuid
from hardware.profile import PROFILES, Profile, ProfileName
from hardware.stylesheet import domain_stylesheet, network_stylesheet, pool_stylesheet

__all__ = [
    "PROFILES",
    "Profile",
    "ProfileName",
    "derived_mac",
    "derived_uuid",
    "domain_stylesheet",
    "network_stylesheet",
    "pool_stylesheet",
]
