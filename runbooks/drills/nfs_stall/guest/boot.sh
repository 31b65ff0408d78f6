#!/bin/busybox sh
# The first program of the lab's guest: loads what it needs to see its root, which this machine shares with it for
# reading alone, and hands over.
PATH=/bin
export PATH
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
say() { echo "lab: $*" >/dev/console; }
fail() {
    say "FAILED $*"
    busybox poweroff -f
}
while read -r module; do
    case $module in brd.ko) how="rd_nr=3 rd_size=65536" ;; *) how= ;; esac
    busybox insmod "/modules/$module" $how || fail "the kernel does not take the module $module"
done </modules/order
say modules
busybox mount -t virtiofs -o ro root /root || fail "the shared root cannot be mounted"
for program in bash mount ip sshd rpc.nfsd dmsetup; do
    found=
    for folder in /usr/sbin /usr/bin /sbin /bin; do [ -e "/root$folder/$program" ] && found=1; done
    [ "$found" ] || fail "the shared root has no $program"
done
busybox mount -t tmpfs -o mode=755 run /root/run || fail "no tmpfs"
busybox mkdir -p /root/run/lab
busybox cp -R /lab/. /root/run/lab/
busybox mount --move /dev /root/dev
busybox mount --move /proc /root/proc
busybox mount --move /sys /root/sys
exec busybox switch_root /root /bin/bash /run/lab/server.sh
