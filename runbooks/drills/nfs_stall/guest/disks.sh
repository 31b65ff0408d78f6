# The server's disks and its exports: made at its start, and made anew for another fault. Read by server.sh and renew.sh.
TABLE="0 $((64 * 2048)) linear /dev/ram"
MKFS=(mkfs.ext4 -q -m 0 -N 2048 -J size=4 -E nodiscard)
OPTIONS=rw,no_root_squash,no_subtree_check,sync

# Two disks, each behind a device that a fault can make slow, and a mirror of them. No mdadm: the kernel's own files.
disks() {
    local n name member md=/sys/block/md0/md
    need dmsetup create --noudevsync --concise "disk-a,,,rw,${TABLE}0 0;disk-b,,,rw,${TABLE}1 0"
    echo md0 >/sys/module/md_mod/parameters/new_array || fail "the kernel makes no mirror"
    echo none >$md/metadata_version
    echo raid1 >$md/level
    echo 2 >$md/raid_disks
    for name in disk-a disk-b; do
        for member in /sys/block/dm-*; do
            if [[ $(<"$member/dm/name") == "$name" ]]; then cat "$member/dev" >$md/new_dev || fail "the mirror does not take $name"; fi
        done
    done
    echo $((64 * 1024)) >$md/component_size || fail "the mirror takes no size"
    n=0
    for member in $md/dev-*; do
        echo $n >"$member/slot" || fail "the mirror does not take ${member##*/}"
        n=$((n + 1))
    done
    echo none >$md/resync_start
    echo active >$md/array_state || fail "the mirror does not start"
    need "${MKFS[@]}" /dev/md0
    need mount /dev/md0 "$EXPORT"
    mkdir -p "$EXPORT/$DATA"
    need exportfs -o $OPTIONS "*:$EXPORT"
}

# A third disk, for a copy of the export.
replica() {
    need dmsetup create --noudevsync copy --table "${TABLE}2 0"
    dmsetup mknodes
    need "${MKFS[@]}" /dev/mapper/copy
    need mount /dev/mapper/copy "$REPLICA"
    mkdir -p "$REPLICA/$DATA"
    need exportfs -o $OPTIONS "*:$REPLICA"
}
