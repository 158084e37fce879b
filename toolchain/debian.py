"""The Debian packages that nordgate needs, and why: plain data, kept by whoever needs one more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A package by the name it has in Debian; none of them may be the machine's own service of anything."""

    name: str
    why: str
    newer: bool = False
    """Made by a later release out of another package: not missed where it does not exist."""


INSTALLED = (
    Package("apt-utils", "apt-ftparchive: the index of the lab's package mirror"),
    Package("ca-certificates", "Go and curl check registries against it"),
    Package("curl", "a client that the served gateway is tried with"),
    Package("dosfstools", "mkfs.vfat for the image's boot partition"),
    Package("e2fsprogs", "mkfs.ext4 for the image's root, without mounting it"),
    Package("gpg", "signs that index"),
    Package("iproute2", "ip: the lab's namespace"),
    Package("iptables", "libvirt's rules for a closed network, inside the lab's namespace"),
    Package("libvirt-clients", "virsh: readiness, verification, consoles"),
    Package("libvirt-daemon", "libvirtd, one instance per lab; the unit that starts it is in libvirt-daemon-system"),
    Package("libvirt-daemon-driver-network", "libvirtd's networks", newer=True),
    Package("libvirt-daemon-driver-qemu", "libvirtd's QEMU driver"),
    Package("libvirt-daemon-driver-storage", "libvirtd's pools and volumes", newer=True),
    Package("libxml2-utils", "xmllint, which virt-xml-validate runs in tests"),
    Package("mmdebstrap", "bakes the guest image"),
    Package("mtools", "fills the image's boot partition without mounting it"),
    Package("nghttp2-client", "h2load: HTTP/2 against the served gateway"),
    Package("openssh-client", "ssh to guests, and to hypervisors that are elsewhere"),
    Package("openssl", "certificates that tests make for themselves"),
    Package("procps", "what runs in a lab"),
    Package("python3-venv", "Debian's Python cannot make virtual environments without it"),
    Package("qemu-system-x86", "runs the guests"),
    Package("qemu-utils", "qemu-img"),
    Package("shellcheck", "reads the shell that guests and hosts run, in tests"),
    Package("socat", "ssh into the lab's network"),
    Package("syslinux", "the image's boot loader"),
    Package("util-linux", "unshare, nsenter, setpriv"),
    Package("wrk", "the tuning articles' load: the profile sources-wrk, and what the latency test compares with"),
    Package("xsltproc", "the libvirt provider transforms domains with it"),
)

UNPACKED = (
    Package("chrony", "the lab's time server; installed, it would replace the machine's own time service"),
    Package("openssh-server", "a host behind SSH, for tests; installed, it would open the machine's port 22"),
)
