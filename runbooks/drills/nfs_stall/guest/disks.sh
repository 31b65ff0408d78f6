# The server's disks and its exports: made at its start, and made anew for another fault. Read by server.sh and renew.sh.
disks() {
    # Two disks, each behind a device that a fault can make slow, and a mirror of them. No mdadm: the kernel's own files.
    local n=0 name number member md=/sys/block/md0/md
    for name in disk-a disk-b copy; do
        need dmsetup create --noudevsync --noudevrules $name --table "0 $((64 * 2048)) linear /dev/ram$n 0"
        n=$((n + 1))
    done
    dmsetup mknodes
    echo md0 >/sys/module/md_mod/parameters/new_array || fail "the kernel makes no mirror"
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
    for name in /dev/md0 /dev/mapper/copy; do need mkfs.ext4 -q -m 0 $name; done
    need mount /dev/md0 "$EXPORT"
    need mount /dev/mapper/copy "$REPLICA"
    mkdir -p "$EXPORT/$DATA" "$REPLICA/$DATA"
    say disks
}

exports() {
    local at
    for at in "$EXPORT" "$REPLICA"; do need exportfs -o rw,no_root_squash,no_subtree_check,sync "*:$at"; done
}
