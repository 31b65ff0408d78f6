# On the client: mounts the export, and starts the service that writes into it, as a unit of its own. Also to begin anew.
. /run/lab/settings
set -e
if [[ -e /run/lab/service.pid ]]; then kill -KILL "$(</run/lab/service.pid)" 2>/dev/null || true; fi
while grep -q ' nfs4 ' /proc/mounts && umount -l -c "$MOUNT" 2>/dev/null; do :; done
if [[ "${1-}" == stop ]]; then exit 0; fi
mount -t nfs4 -o vers=4.2,hard,timeo=20,retrans=2 "10.9.0.2:$EXPORT" "$MOUNT"
group=/sys/fs/cgroup/system.slice/$UNIT
mkdir -p "$group"
rm -f /run/lab/acks
: >/run/lab/acks
(
    echo $BASHPID >"$group/cgroup.procs"
    exec setsid "$PYTHON" -I -S /run/lab/service.py "$MOUNT/$DATA" /run/lab/acks >/run/lab/service.out 2>&1 </dev/null
) &
echo $! >/run/lab/service.pid
