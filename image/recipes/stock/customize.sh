#!/bin/sh
# Runs inside the new system, after its packages and the files of root/ are in place: what the builders of Debian's
# cloud images do to it.
set -eu
. /etc/os-release

# cloud-init writes the lists of mirrors at every boot: from its own defaults, or as user-data says.
sources() {
    cat <<END
Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/$1.list
Suites: $2
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

END
}
{
    sources debian "$VERSION_CODENAME $VERSION_CODENAME-updates $VERSION_CODENAME-backports"
    sources debian-security "$VERSION_CODENAME-security"
} > /etc/apt/sources.list.d/debian.sources

systemctl enable systemd-networkd.service systemd-resolved.service
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
sed -i 's/^#PasswordAuthentication yes/PasswordAuthentication no/' /etc/ssh/sshd_config
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: > /etc/hostname
: > /etc/machine-id
