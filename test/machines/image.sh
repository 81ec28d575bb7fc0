#!/usr/bin/env bash
# Makes a disk of a Debian release with its own kernel, for a virtual machine: image.sh SUITE DIRECTORY
# writes DIRECTORY/SUITE.{ext4,kernel,initrd}, and nothing if all three are there and newer than this script. As root.
set -euo pipefail
suite=$1
mkdir -p "$2"
directory=$(cd "$2" && pwd)

is_current() {
  for part in ext4 kernel initrd; do [ "$directory/$suite.$part" -nt "$0" ] || return 1; done
}
if is_current; then exit 0; fi

# What boots and answers the driver of the tests; what Pinhole's package wants; firewalls' tools, servers and clients.
boot=systemd-sysv,dbus,udev,kmod,initramfs-tools,linux-image-amd64,qemu-guest-agent
product=adduser,nftables,iproute2
peers=procps,iptables,conntrack,curl,vsftpd,tftpd-hpa,tftp-hpa

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
root=$work/root
# An initial file system with what mounts the disk, and nothing else: an emulated machine unpacks it in seconds.
mkdir -p "$work/initramfs-tools/conf.d" "$work/initramfs-tools/hooks"
printf 'MODULES=list\n' > "$work/initramfs-tools/conf.d/disk"
cat > "$work/initramfs-tools/hooks/disk" <<'HOOK'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4
HOOK
chmod 755 "$work/initramfs-tools/hooks/disk"
# Old releases are not signed anew: their lists count as valid for good.
mmdebstrap --quiet --mode=root --variant=minbase --include="$boot,$product,$peers" \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --essential-hook="copy-in $work/initramfs-tools /etc" \
  "$suite" "$root" >&2

printf 'machine\n' > "$root/etc/hostname"
printf '127.0.0.1 localhost machine\n::1 localhost\n' > "$root/etc/hosts"
printf '/dev/vda / ext4 defaults 0 1\n' > "$root/etc/fstab"
: > "$root/etc/machine-id"
# The tests start these servers themselves, each in a namespace.
for unit in vsftpd tftpd-hpa nftables; do chroot "$root" systemctl --quiet disable "$unit" 2>/dev/null || true; done
# A journal that a reboot leaves in place.
mkdir -p "$root/var/log/journal"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*

cp "$root"/boot/vmlinuz-* "$work/kernel"
cp "$root"/boot/initrd.img-* "$work/initrd"
truncate --size 3G "$work/ext4"
mke2fs -q -t ext4 -d "$root" "$work/ext4"
for part in kernel initrd ext4; do
  cp --sparse=always "$work/$part" "$directory/$suite.$part"
  touch "$directory/$suite.$part"
done
