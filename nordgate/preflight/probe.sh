# What a host can be asked about its storage, processor and boot, without changing anything.
# sh -s -- POOL-PATH VOLUME-GROUP PREFIX DEVICE; "-" for what is not of interest. Read by nordgate/preflight/storage.py and nordgate/preflight/host_facts.py.
set -u
PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
part() { printf '\n%%%%nordgate %s%%%%\n' "$1"; }
{
part lsblk
lsblk --json --bytes --output NAME,KNAME,MAJ:MIN,TYPE,TRAN,ROTA,MODEL,SIZE,MOUNTPOINT
part transports
grep -H . /sys/block/nvme*/device/transport /sys/block/nvme*/device/nvme*/transport
part identities
grep -H . /sys/block/nvme*/device/model /sys/block/nvme*/device/device/vendor /sys/block/nvme*/device/nvme*/device/vendor
grep -H . /sys/block/nvme*/device/address /sys/block/nvme*/device/nvme*/address
part controllers
for class in /sys/bus/pci/devices/*/class; do
    device=${class%/class}
    case $(cat "$class") in
    0x0108*) echo "${device##*/} node $(cat "$device/numa_node") group $(basename "$(readlink "$device/iommu_group")")" ;;
    esac
done
part btrfs
ls -d /sys/fs/btrfs/*/devices/*
if [ "$1" != - ]; then
    # A folder that is not there yet will stand where its nearest parent does.
    path=$1
    while [ ! -e "$path" ]; do path=$(dirname "$path"); done
    part findmnt
    findmnt --json --bytes --target "$(realpath "$path")" --output TARGET,SOURCE,FSTYPE,MAJ:MIN,AVAIL
    part files
    ls -d "$1/$3"-*
fi
if [ "$2" != - ]; then
    # LVM is asked as root; libvirt does that anyway, an SSH login may not be allowed to.
    as_root=
    [ "$(id -u)" = 0 ] || as_root='sudo -n'
    part vgs
    $as_root vgs --reportformat json --units b --nosuffix --options vg_name,vg_free,pv_name "$2"
fi
part bridges
ls -d /sys/class/net/*/bridge
if [ "${4:--}" != - ]; then
    part link
    ip -details -oneline link show dev "$4"
    # A bridge whose datapath is a process has the device of one: Open vSwitch itself knows, and tells root. 0, or 2: no.
    part switch
    ovs-vsctl --timeout=5 br-exists "$4"
    echo $?
fi
part cpu
grep -m 1 -o -w aes /proc/cpuinfo
part boot
cat /proc/sys/kernel/random/boot_id
} 2>/dev/null
