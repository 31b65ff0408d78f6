# The server of the lab: a mirror of two disks, an ext4 on it, exported by the kernel's own NFS server. PID 1 of the guest.
# `client.sh` is the other machine: a network, processes and mounts of its own.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/run/lab/home
say() { echo "lab: $*" >/dev/console; }
fail() {
    say "FAILED $*"
    busybox poweroff -f
}
need() { "$@" 2>/run/lab/error || fail "$*: $(tr '\n' ' ' </run/lab/error)"; }
. /run/lab/settings   # EXPORT REPLICA MOUNT DATA UNIT: names that nobody can guess
. /run/lab/disks.sh

mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t devpts devpts /dev/pts
for at in /tmp /var/tmp /dev/shm /var/lib/nfs /mnt /srv; do
    if [[ -d $at ]]; then need mount -t tmpfs -o mode=755 lab "$at"; fi
done
chmod 1777 /tmp /var/tmp /dev/shm
mount -t debugfs debugfs /sys/kernel/debug
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname nfs-server
need ip netns add client
need ip -batch - <<'END'
link set lo up
addr add 10.0.2.15/24 dev eth0
link set eth0 up
link add s0 type veth peer name c0 netns client
link add s1 type veth peer name c1 netns client
addr add 10.9.0.2/24 dev s0
addr add 10.9.1.2/24 dev s1
link set s0 up
link set s1 up
link set eth1 netns client
END

mkdir -p "$EXPORT" "$REPLICA"
mkdir -p /var/lib/nfs/v4recovery /var/lib/nfs/sm /var/lib/nfs/rpc_pipefs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
disks
say disks
need mount -t nfsd nfsd /proc/fs/nfsd
need rpc.mountd -N 3 --no-udp
echo 10 >/proc/fs/nfsd/nfsv4leasetime
echo 10 >/proc/fs/nfsd/nfsv4gracetime
need rpc.nfsd -N 3 -V 4.2 4
echo Y >/proc/fs/nfsd/v4_end_grace
say exported

mkdir -p /run/sshd /run/lab/home
sshd=$(command -v sshd)
options=(-f /dev/null -o UsePAM=no -o StrictModes=no -o AuthorizedKeysFile=/run/lab/user.pub -o HostKey=/run/lab/host
    -o MaxStartups=100 -o MaxSessions=100 -o "SetEnv=HOME=/run/lab/home" -o PermitUserEnvironment=no -o PrintMotd=no -o UseDNS=no)
need "$sshd" "${options[@]}"
nsenter --net=/run/netns/client unshare --mount --pid --uts --fork --mount-proc --propagation private \
    bash /run/lab/client.sh "$sshd" "${options[@]}" &
while :; do wait; sleep 1; done
