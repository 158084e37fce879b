#!/bin/sh
# Runs inside the new system, after its packages and the files of root/ are in place.
set -eu

# cloud-init starts nginx once its configuration is complete, ssh starts when somebody comes.
systemctl disable nginx.service ssh.service
systemctl enable ssh.socket systemd-networkd.service emulation-over.service
systemctl set-default multi-user.target
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s /usr/lib/systemd/system/cloud-init.target /etc/systemd/system/multi-user.target.wants/
rm -f /etc/resolv.conf
mkdir -p /var/lib/cloud/seed/nocloud
rm -rf /etc/init.d /etc/rc?.d
rm -f /etc/modules-load.d/*

# Debian's servers, as its apt names them: the mirror that this was baked from may be out of a guest's reach.
example=/usr/share/doc/apt/examples/debian.sources
sed -e '/^#/d' -e 's/^Components: .*/Components: main/' $example > /etc/apt/sources.list.d/debian.sources
rm $example

# Nobody logs in with a password.
passwd --lock root
printf 'PermitRootLogin no\nHostKey /etc/ssh/ssh_host_ed25519_key\n' > /etc/ssh/sshd_config.d/20-image.conf
# Where cloud-init writes the same when its user-data says ssh_pwauth: false; being there, it spares a restart of ssh.
echo 'PasswordAuthentication no' > /etc/ssh/sshd_config.d/50-cloud-init.conf
rm -f /etc/ssh/ssh_host_*

# Compiled once, here, and trusted without a look at the source's time stamp.
find /usr/lib/python3* -name __pycache__ -exec rm -rf {} +
python3 -X no_debug_ranges -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.* /usr/share/netplan  || true

journalctl --update-catalog
touch /etc/.updated /var/.updated

# Empty, not absent: systemd makes an id and does not take this for a first boot with presets to apply.
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
