# The client of the lab, as a machine of its own: it sees the server over a link that can be cut, and nothing else of it.
say() { echo "lab: $*" >/dev/console; }
fail() {
    say "FAILED $*"
    busybox poweroff -f
}
need() { "$@" 2>/tmp/error || fail "$*: $(tr '\n' ' ' </tmp/error)"; }
. /run/lab/settings
hostname nfs-client
mount -t tmpfs -o mode=755 lab /mnt && cp -R /run/lab /mnt/lab
umount "$EXPORT"
for at in /run /tmp /var/tmp /var/lib/nfs /srv; do mount -t tmpfs -o mode=755 lab $at; done
chmod 1777 /tmp /var/tmp
cp -R /mnt/lab /run/lab && umount /mnt   # /run/lab is its own from here on
mkdir -p /run/sshd /var/lib/nfs/rpc_pipefs "$MOUNT"
need ip -batch - <<'END'
link set lo up
addr add 10.9.0.1/24 dev c0
addr add 10.9.1.1/24 dev c1
addr add 10.0.3.15/24 dev eth1
link set c0 up
link set c1 up
link set eth1 up
END
need bash /run/lab/serve.sh
need "$@"
say ready
while :; do wait; sleep 1; done
