"""The lab: a throw-away KVM host per region, on one machine.

A lab is one process tree in its own network, mount, PID, IPC and UTS namespaces: a real libvirtd with its own
state, two API backends, a time server, a package mirror, and forwards from 127.0.0.1 into the namespace. Nothing of
it reaches the machine's own libvirt, bridges, firewall or addresses, and killing its first process ends all of it.
"""
