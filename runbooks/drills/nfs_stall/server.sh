# The server of the lab: a mirror of two disks, an ext4 on it, exported by the kernel's own NFS server. PID 1 of the guest.
# `client.sh` is the other machine: a network, processes and mounts of its own.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root
say() { echo "lab: $*" >/dev/console; }
fail() {
    say "FAILED $*"
    busybox poweroff -f
}
need() { "$@" 2>/run/lab/error || fail "$*: $(tr '\n' ' ' </run/lab/error)"; }
. /run/lab/settings   # EXPORT REPLICA MOUNT SLICE: names that nobody can guess

mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t devpts devpts /dev/pts
for at in /tmp /var/tmp /dev/shm /var/lib/nfs /root /mnt /srv /home; do
    if [[ -d $at ]]; then need mount -t tmpfs -o mode=755 lab "$at"; fi
done
chmod 1777 /tmp /var/tmp /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname nfs-server
while read -r module; do
    case $module in brd.ko) how=(rd_nr=3 rd_size=65536) ;; *) how=() ;; esac
    need insmod "/run/lab/modules/$module" "${how[@]}"
done </run/lab/modules/later
say modules

ip link set lo up
ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up || fail "the guest has no network card"
need ip netns add client
for n in 0 1; do
    need ip link add s$n type veth peer name c$n
    need ip link set c$n netns client
    ip addr add 10.9.$n.2/24 dev s$n
    ip link set s$n up
done
need ip link set eth1 netns client

# Two disks, each behind a device that a fault can make slow, and a mirror of them. No mdadm: the kernel's own files.
n=0
for name in disk-a disk-b copy; do
    need dmsetup create --noudevsync --noudevrules $name --table "0 $((64 * 2048)) linear /dev/ram$n 0"
    n=$((n + 1))
done
dmsetup mknodes
echo md0 >/sys/module/md_mod/parameters/new_array || fail "no md"
md=/sys/block/md0/md
echo none >$md/metadata_version
echo raid1 >$md/level
echo 2 >$md/raid_disks
for name in disk-a disk-b; do
    read -r number < <(dmsetup info -c --noheadings -o major,minor --separator : $name)
    echo "$number" >$md/new_dev || fail "the mirror does not take $name"
done
echo $((64 * 1024)) >$md/component_size || fail "the mirror takes no size"
n=0
for member in $md/dev-*; do
    echo $n >"$member/slot" || fail "the mirror does not take ${member##*/}"
    n=$((n + 1))
done
echo none >$md/resync_start
echo active >$md/array_state || fail "the mirror does not start"
need mkfs.ext4 -q -m 0 /dev/md0
mkdir -p "$EXPORT" "$REPLICA"
need mount /dev/md0 "$EXPORT"
need mkfs.ext4 -q -m 0 /dev/mapper/copy
need mount /dev/mapper/copy "$REPLICA"
mkdir -p "$EXPORT/$DATA" "$REPLICA/$DATA"
say disks

mkdir -p /var/lib/nfs/v4recovery /var/lib/nfs/sm /var/lib/nfs/rpc_pipefs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
need mount -t nfsd nfsd /proc/fs/nfsd
need rpc.mountd -N 3 --no-udp
need exportfs -o rw,no_root_squash,no_subtree_check,sync "*:$EXPORT"
need exportfs -o rw,no_root_squash,no_subtree_check,sync "*:$REPLICA"
echo 10 >/proc/fs/nfsd/nfsv4leasetime
echo 10 >/proc/fs/nfsd/nfsv4gracetime
need rpc.nfsd -N 3 -V 4.2 4
echo Y >/proc/fs/nfsd/v4_end_grace
say exported

mkdir -p /run/sshd /root/.ssh
sshd=$(command -v sshd)
options=(-f /dev/null -o UsePAM=no -o StrictModes=no -o AuthorizedKeysFile=/run/lab/user.pub -o HostKey=/run/lab/host
    -o MaxStartups=100 -o MaxSessions=100 -o "SetEnv=HOME=/root" -o PermitUserEnvironment=no -o PrintMotd=no -o UseDNS=no)
need "$sshd" "${options[@]}"
nsenter --net=/run/netns/client unshare --mount --pid --uts --fork --mount-proc --propagation private \
    bash /run/lab/client.sh "$sshd" "${options[@]}" &
while :; do wait; sleep 1; done
