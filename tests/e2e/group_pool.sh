# A stack's data volume in a volume group that the host uses too, through libvirt's storage driver.
set -eu
said() { virsh -q -c storage:///system "$@"; }

# As the preflight tells the host's owner to do, once.
said pool-define-as fast logical --source-name fast --target /dev/fast
said pool-start fast

# As the provider does.
cat > /tmp/volume.xml <<X
<volume><name>oslo-gw1-data.raw</name><capacity unit='B'>33554432</capacity>
<target><format type='raw'/><permissions><mode>644</mode></permissions></target></volume>
X
said vol-create fast /tmp/volume.xml
said vol-list fast
said vol-delete --pool fast oslo-gw1-data.raw

echo "left: $(lvs --noheadings --options lv_name,lv_active fast | xargs)"
# Why the pool is the host's own: libvirt would take the whole group down with it.
if said pool-destroy fast; then echo 'stopped'; else echo 'cannot be stopped'; fi
