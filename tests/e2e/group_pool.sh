# What the stack does with a volume group through libvirt's storage driver, and what is left when it goes.
set -eu
said() { virsh -q -c storage:///system "$@"; }

cat > /tmp/pool.xml <<X
<pool type='logical'><name>nordgate-oslo-group</name><source><name>fast</name></source>
<target><path>/dev/fast</path></target></pool>
X
said pool-define /tmp/pool.xml
said pool-start nordgate-oslo-group
cat > /tmp/volume.xml <<X
<volume><name>oslo-gw1-data.raw</name><capacity unit='B'>33554432</capacity>
<target><format type='raw'/><permissions><mode>644</mode></permissions></target></volume>
X
said vol-create nordgate-oslo-group /tmp/volume.xml
said vol-list nordgate-oslo-group
said vol-dumpxml --pool nordgate-oslo-group oslo-gw1-data.raw
said vol-delete --pool nordgate-oslo-group oslo-gw1-data.raw
said pool-destroy nordgate-oslo-group
# The provider deletes the group itself when the definition of the stopped pool names devices.
if said pool-dumpxml nordgate-oslo-group | grep '<device'; then exit 1; fi
said pool-undefine nordgate-oslo-group
vgs fast
echo 'fast still there'
lvs fast | grep -c ' pool '
