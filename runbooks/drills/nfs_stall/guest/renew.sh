# Makes everything anew on the server after a fault: the link, the disks, the exports. The client has let go of its mount.
say() { echo "lab: $*" >/dev/console; }
fail() { echo "$*" >&2; exit 1; }
need() { "$@" || fail "$*"; }
. /run/lab/settings
. /run/lab/disks.sh
for n in 0 1; do need ip link set s$n up; done
echo 45 >/proc/sys/fs/lease-break-time
if [[ -e /run/lab/pids ]]; then while read -r pid; do kill -KILL "$pid"; done </run/lab/pids 2>/dev/null; rm -f /run/lab/pids; fi
rpc.nfsd 0
rm -rf /var/lib/nfs/v4recovery/*
exportfs -ua
exportfs -f
for name in disk-a disk-b copy; do dmsetup resume --noudevsync $name 2>/dev/null; done
fsfreeze --unfreeze "$EXPORT" 2>/dev/null
for at in "$EXPORT" "$EXPORT" "$REPLICA" "$REPLICA"; do umount "$at" 2>/dev/null; done
if grep -q " $EXPORT \| $REPLICA " /proc/mounts; then fail "the export is still in use"; fi
echo clear >/sys/block/md0/md/array_state
need dmsetup remove_all --noudevsync --force
disks
need rpc.nfsd -N 3 -V 4.2 4
echo Y >/proc/fs/nfsd/v4_end_grace
