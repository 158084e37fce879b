"""What a guest is made of: typed profiles, and the stylesheets that put them into libvirt's XML. Imports no Pulumi."""

from nordgate.machine.domain_facts import Fact, facts
from nordgate.machine.identity import derived_mac, derived_uuid
from nordgate.machine.machine import Machine, PciAddress, Pinning, pinning_problems, shared_cores
from nordgate.machine.profile import PROFILES, Profile, ProfileName, profile_problems
from nordgate.machine.requirements import Requirement, requires
from nordgate.machine.stylesheet import canonical_stylesheet, domain_stylesheet, network_stylesheet, pool_stylesheet

__all__ = [
    "PROFILES",
    "Fact",
    "Machine",
    "PciAddress",
    "Pinning",
    "Profile",
    "ProfileName",
    "Requirement",
    "canonical_stylesheet",
    "derived_mac",
    "derived_uuid",
    "domain_stylesheet",
    "facts",
    "network_stylesheet",
    "pinning_problems",
    "pool_stylesheet",
    "profile_problems",
    "requires",
    "shared_cores",
]
