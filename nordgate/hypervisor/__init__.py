"""KVM hosts and the guests on them, asked about themselves: through virsh, the guest agent, commands on the host."""
