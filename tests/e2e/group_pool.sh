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
# Why the host is asked itself, with $1, to make it larger. LVM deals in whole extents: 34 MiB are 36.
if said vol-resize --pool fast oslo-gw1-data.raw 35651584; then echo 'libvirt resizes'; else echo 'libvirt does not'; fi
sh -c "$1" sh 35651584b /dev/fast/oslo-gw1-data.raw
said pool-refresh fast
echo "grown: $(said vol-dumpxml --pool fast oslo-gw1-data.raw | grep -o '<capacity.*')"
said vol-delete --pool fast oslo-gw1-data.raw

echo "left: $(lvs --noheadings --options lv_name,lv_active fast | xargs)"
# Why the pool is the host's own: libvirt would take the whole group down with it.
if said pool-destroy fast; then echo 'stopped'; else echo 'cannot be stopped'; fi
