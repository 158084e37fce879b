# Lays the guest's disks out: the layers of tests/unit/hypervisor/storage.yaml. Two NVMe disks, a turning SCSI disk (sda), vdb.
set -eu
udevadm wait --timeout 60 /dev/nvme0n1 /dev/nvme1n1 /dev/sda /dev/vdb
for disk in nvme0n1 nvme1n1; do
    printf 'label: gpt\nsize=160M\nsize=160M\nsize=160M\nsize=160M\n' | sfdisk --quiet /dev/$disk
done
printf "label: gpt\nsize=160M\nsize=160M\nsize=160M\n" | sfdisk --quiet /dev/sda
udevadm settle --timeout 30

laid() { # DEVICE NAME
    mkfs.ext4 -q "$1"
    mkdir -p "/mnt/$2"
    mount "$1" "/mnt/$2"
}
laid /dev/nvme0n1p1 partition
laid /dev/vdb virtio
laid /dev/sda1 turning

vgcreate -q fast /dev/nvme0n1p2 /dev/nvme1n1p2
lvcreate -q -y -n pool -L 200M fast
laid /dev/fast/pool lvm

vgcreate -q mixed /dev/nvme1n1p1 /dev/sda2
lvcreate -q -y -n pool -l 100%FREE mixed
laid /dev/mixed/pool lvm-mixed

mdadm --create /dev/md0 --run --quiet --level=1 --raid-devices=2 --metadata=1.2 /dev/nvme0n1p3 /dev/nvme1n1p3
laid /dev/md0 md

printf secret | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/nvme0n1p4 -
printf secret | cryptsetup open --key-file - /dev/nvme0n1p4 secret
laid /dev/mapper/secret crypt

truncate -s 64M /mnt/partition/file
laid "$(losetup --find --show /mnt/partition/file)" loop

mkfs.btrfs -q -d single -m raid1 /dev/nvme1n1p4 /dev/sda3
mkdir /mnt/btrfs-mixed
mount /dev/nvme1n1p4 /mnt/btrfs-mixed
udevadm settle --timeout 30
