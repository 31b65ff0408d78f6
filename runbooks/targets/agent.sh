# The far end of a link: a POSIX shell that starts attempts over there, outlives the link, and is asked about them.
#
# The login shell is given it as one line (ssh.COMMAND) and it keeps, until the run has ended, one file an attempt, D/K/N:
# 95 bytes, overwritten in place, like N.try on this side (runbooks/attempt.py); and, until the keeper has it, what the
# attempt prints, in N.out.
# The first two lines that it reads are M, the mark of what it says, and K, the run. Then commands come as lines, a run's
# shell text as a line after it; what it says is `M word`, all else is output.
# A process costs a busy machine more than anything else here: where the shell itself can do it, it does.
# ssh.agent makes one line of this: no string goes over lines, and behind an exclamation mark is a blank or = (csh).
LC_ALL=C
IFS= read -r M && IFS= read -r K && [ -n "$K" ] || exit
: "${USER:=$LOGNAME}" "${LOGNAME:=$USER}"
umask 077
BLANKS=$IFS
U=${UID:-}
[ -n "$U" ] || while read -r name U rest && [ "$name" != Uid: ]; do :; done </proc/self/status
read -r BOOT </proc/sys/kernel/random/boot_id
exec 3>&1
# A socket cannot be opened a second time.
LINK=/proc/self/fd/3
{ printf '' >$LINK; } 2>/dev/null || LINK=
# How much of an output is kept here at most, in blocks of 512 bytes.
KEPT=32768

say() { printf '%s %s\n' "$M" "$*" >&3; }

# The same behind the output of an attempt, in its order.
tell() { printf '%s %s\n' "$M" "$*"; }

# Sets D to the folder of this account: of memory where that is allowed, never of somebody else.
place() {
    for base in /run /tmp /var/tmp; do
        D=$base/howdah-$U
        [ -d "$D" ] || mkdir -- "$D" 2>/dev/null
        if [ -d "$D" ] && [ ! -L "$D" ] && [ -O "$D" ] && { [ -d "$D/$K" ] || mkdir -p -- "$D/$K" 2>/dev/null; }; then
            return 0
        fi
    done
    return 1
}

# The file of attempt $1, wherever it was made; empty where there is none.
find_file() {
    F=
    for base in /run /tmp /var/tmp; do
        if [ -f "$base/howdah-$U/$K/$1" ] && [ -O "$base/howdah-$U/$K/$1" ]; then
            F=$base/howdah-$U/$K/$1
            return
        fi
    done
}

# The same; where there is none, the attempt is not to begin any more.
find_or_forbid() {
    find_file "$1"
    [ -n "$F" ] || { claim "$1" never; find_file "$1"; }
}

note() { printf '%-95.95s\n' "$1 $BOOT" 1<>"$F"; }

# Makes the file of attempt $1 in the state $2, where there is none: of two who come at once one has made it. What is to
# begin later than it was stopped, or asked about, finds "never", and does not begin.
claim() {
    F=$D/$K/$1
    set -C
    { printf '%-95.95s\n' "$2 0 0 0 0 $BOOT" >"$F"; } 2>/dev/null
    set -- $?
    set +C
    return "$1"
}

# Sets PID and START of this very process.
own() {
    read -r line </proc/self/stat
    PID=${line%% *}
    set -- ${line##*) }
    START=${20}
}

# Is there a process $1 that began at $2, and has not ended?
lives() {
    [ -r "/proc/$1/stat" ] && read -r line <"/proc/$1/stat" || return 1
    set -- "$2" ${line##*) }
    [ "$1" = "${21}" ] && [ "$2" != Z ] && [ "$2" != X ]
}

run() {
    if claim "$1" ordered; then
        keep "$1"
    elif [ ! -s "$F" ]; then
        rm -f -- "$F"
        say unstarted "$1" 126 "its file cannot be written: no room in $D"
    else
        read -r state rest <"$F"
        if [ "$state" = never ]; then
            say unstarted "$1" 126 "before it began it was stopped, or asked about over another link"
        else
            say refused "$1"
        fi
    fi
}

# In the foreground: what a shell starts with & ignores INT and QUIT, and so would the program.
keep() {
    {
        own
        ME=$PID SINCE=$START
        hundredths
        BEGAN=$NOW
        note "ordered 0 0 $ME $SINCE"
        tell begun "$1"
        (
            own
            note "running $PID $START $ME $SINCE"
            N=$1
            eval "$text"
        ) </dev/null 2>&1 3>&-
        code=$?
        read -r state pid start rest <"$F"
        hundredths
        note "exit $code $pid $start $((NOW - BEGAN))"
        tell end "$1" "$code"
    } | hand_over "$1"
}

# Sets NOW to hundredths of a second since the boot.
hundredths() {
    read -r NOW rest </proc/uptime
    NOW=${NOW%.*}${NOW#*.}
}

# Copies the output of attempt $1 to the link and keeps it: each piece is in the file before the link has it, for with
# the link is lost what was on its way. What the file does not take, or no longer, still goes over the link.
hand_over() {
    trap '' PIPE XFSZ
    ulimit -S -f "$KEPT" 2>/dev/null
    exec 4<&0
    if [ -n "$LINK" ]; then
        tee "$LINK" <&4 >"$F.out" 2>/dev/null &
    else
        tee "$F.out" <&4 >&3 2>/dev/null &
    fi
    echo $! >"$F.tee"
    wait $! 2>/dev/null
    code=$?
    [ "$code" = 0 ] || gather "$code"
    echo whole >"$F.tee"
    say eof "$1" 2>/dev/null
    [ ! -s "$F.drain" ] || { read -r pid <"$F.drain" && kill "$pid" 2>/dev/null; }
}

# The rest of an output, of which the link gets no more: it is kept, and what is too much is counted. $1 is how the one
# before ended; where that was by itself the file took nothing any more.
gather() {
    true >"$F.tee"
    [ -n "$LINK" ] || true >"$F.hole"
    if [ "$1" -gt 128 ] && [ ! -e "$F.got" ]; then
        cat <&4 >>"$F.out" 2>/dev/null &
        echo $! >"$F.cat"
        wait $! 2>/dev/null
        true >"$F.cat"
    fi
    wc -c <&4 >"$F.more" 2>/dev/null || cat <&4 >/dev/null
}

# Ends a program that cannot be started: $1 is its name.
need() {
    case $1 in
    */*) [ -e "$1" ] || refuse 127 "$1: no such file" ;;
    *) seek "$1" || refuse 127 "$1: not found in PATH ($PATH)" ;;
    esac
}

# Sets FOUND to where PATH has the program $1.
seek() {
    IFS=:
    for folder in $PATH; do
        FOUND=${folder:-.}/$1
        if [ -f "$FOUND" ] && [ -x "$FOUND" ]; then
            IFS=$BLANKS
            return 0
        fi
    done
    IFS=$BLANKS
    return 1
}

refuse() {
    code=$1
    shift
    tell unstarted "$N" "$code" "$*"
    exit "$code"
}

# The processes of attempt $1, whose session is $2: those of the session, and whoever carries its mark.
remains() {
    marked=" $(grep -l -s -a -F "HOWDAH_FAR=$K/$1/" /proc/[0-9]*/environ | tr '\n' ' ')"
    for folder in /proc/[0-9]*; do
        pid=${folder#/proc/}
        { read -r line <"$folder/stat"; } 2>/dev/null || continue
        set -- "$1" "$2" ${line##*) }
        case $3 in Z | X) continue ;; esac
        if [ "$6" = "$2" ]; then
            echo "$pid ${22} $3"
        else
            case $marked in *" $folder/environ "*) echo "$pid ${22} $3" ;; esac
        fi
    done
}

# Says who is left of attempt $1, one line each.
left() {
    remains "$1" "$2" | while read -r pid start state; do
        name=$(tr '\0\n' '  ' <"/proc/$pid/cmdline" 2>/dev/null | head -c 120)
        say left "$1" "$pid" "$start" "$state" "$name"
    done
}

stop() {
    state=
    find_or_forbid "$1"
    [ -z "$F" ] || read -r state pid start rest <"$F"
    if [ "$state" = running ]; then
        [ -e "$F.why" ] || echo "$2" >"$F.why"
        end "$1" "$pid" "$3"
    fi
    case $state in running | exit) left "$1" "$pid" ;; esac
    say stopped "$1"
}

# TERM; after $3 tenths of a second KILL, at most 2 s long.
end() {
    strike TERM "$1" "$2"
    strike CONT "$1" "$2"
    tenths=0
    while [ -n "$(remains "$1" "$2")" ] && [ "$tenths" -lt "$(($3 + 20))" ]; do
        [ "$tenths" -lt "$3" ] || strike KILL "$1" "$2"
        sleep 0.1
        tenths=$((tenths + 1))
    done
}

strike() {
    kill -s "$1" -- "-$3" 2>/dev/null
    for pid in $(remains "$2" "$3" | cut -d ' ' -f 1); do
        kill -s "$1" "$pid" 2>/dev/null
    done
}

# What is known of attempt $1. Who asks has lost its link: what still writes to that one is let go.
ask() {
    find_or_forbid "$1"
    if [ -z "$F" ]; then
        say absent "$1"
        return
    fi
    drop "$1"
    why=-
    [ -e "$F.why" ] && read -r why <"$F.why"
    # It may be just being made.
    tenths=0
    while [ ! -s "$F" ] && [ "$tenths" -lt 10 ]; do
        sleep 0.1
        tenths=$((tenths + 1))
    done
    read -r state a b c d boot <"$F"
    [ -n "$boot" ] || boot=$d
    if [ "$state" = never ] || [ "$boot" != "$BOOT" ]; then
        say absent "$1"
    elif [ "$state" = exit ]; then
        left "$1" "$b"
        say ended "$1" "$a" "$why"
    elif [ "$state" = running ] && { lives "$a" "$b" || lives "$c" "$d" || [ -n "$(remains "$1" "$a")" ]; }; then
        left "$1" "$a"
        say running "$1" "$a" "$why"
    elif [ "$state" = ordered ] && lives "$c" "$d"; then
        say running "$1" 0 "$why"
    else
        say lost "$1" "$why"
    fi
}

# Lets go whoever waits for a link, other than this one, that takes nothing: what it should have had is in the file. A pipe
# is emptied here in its stead; whoever waits for a socket must be ended, with what he holds.
drop() {
    find_file "$1"
    [ -n "$F" ] && [ -s "$F.tee" ] && read -r tee <"$F.tee" && [ -e "/proc/$tee/fd/3" ] || return
    [ "/proc/$tee/fd/3" -ef /proc/self/fd/3 ]
    [ $? = 1 ] || return
    if [ ! -p "/proc/$tee/fd/3" ]; then
        kill "$tee"
    elif [ ! -s "$F.drain" ]; then
        cat <"/proc/$tee/fd/3" >/dev/null 3>&- &
        echo $! >"$F.drain"
    fi
} 2>/dev/null

# What attempt $1 has printed, where it has ended or was to; then how many bytes at least were not kept, a sign where
# others may lack, and how long it ran.
rest() {
    find_file "$1"
    more=0 hole=- ran=-
    if [ -n "$F" ]; then
        read -r state a b c d boot <"$F"
        [ -e "$F.why" ] || [ "$state" != running ] || F=
    fi
    if [ -n "$F" ]; then
        tenths=0
        while [ "$state" = exit ] && [ "$tenths" -lt 10 ]; do
            tee=
            [ ! -s "$F.tee" ] || read -r tee <"$F.tee"
            [ "$tee" != whole ] || break
            sleep 0.1
            tenths=$((tenths + 1))
        done
        [ ! -e "$F.out" ] || cat "$F.out" >&3
        [ ! -s "$F.more" ] || read -r more <"$F.more"
        [ ! -e "$F.hole" ] || hole=hole
        [ "$state" != exit ] || [ -z "$boot" ] || ran=$d
    fi
    say rested "$1" "${more:-0}" "$hole" "$ran"
}

# The keeper has all that attempt $1 printed, or wants no more of it.
got() {
    find_file "$1"
    [ -n "$F" ] || return
    true >"$F.got"
    for name in tee cat; do
        pid=
        [ ! -s "$F.$name" ] || read -r pid <"$F.$name"
        case $pid in '' | whole) ;; *) kill "$pid" ;; esac
    done
    true >"$F.out"
} 2>/dev/null

# The run has ended: nothing of it is kept, unless something of it still runs, which somebody may ask about.
leave() {
    for F in /run/howdah-"$U/$K"/* /tmp/howdah-"$U/$K"/* /var/tmp/howdah-"$U/$K"/*; do
        case ${F##*/} in *[.*]*) continue ;; esac
        [ -O "$F" ] && read -r state a b c d boot <"$F" || continue
        if [ "$state" = running ] && [ "$boot" = "$BOOT" ] && { lives "$a" "$b" || lives "$c" "$d"; }; then
            say kept
            return
        fi
    done
    for base in /run /tmp /var/tmp; do
        [ ! -O "$base/howdah-$U/${K:?}" ] || rm -rf -- "$base/howdah-$U/$K"
    done
}

# What runs left that never said goodbye goes after a week; looked for once a day.
sweep() {
    hundredths
    day="$BOOT $((NOW / 8640000))"
    [ ! -f "$D/.swept" ] || read -r swept <"$D/.swept"
    [ "$day" != "$swept" ] || return
    echo "$day" >"$D/.swept"
    find "$D" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf -- {} + </dev/null
} >/dev/null 2>&1

# Reads the commands; what is to be run goes on to the one who does that.
listen() {
    while IFS= read -r command; do
        set -- $command
        case $1 in
        run)
            IFS= read -r text || exit
            printf '%s\n%s\n' "$2" "$text"
            ;;
        stop) stop "$2" "$3" "$4" >/dev/null & ;;
        ask) ask "$2" ;;
        drop) drop "$2" ;;
        rest) rest "$2" ;;
        got) got "$2" ;;
        bye)
            leave
            sweep
            exit
            ;;
        esac
    done
}

work() {
    while IFS= read -r number && IFS= read -r text; do run "$number"; done
}

if seek setsid; then SETSID=$FOUND; else SETSID=$(command -v setsid) || SETSID=; fi
if [ -z "$SETSID" ]; then
    say lacks "the program setsid (util-linux)"
elif ! place; then
    say lacks "a folder of its own that can be written: /run, /tmp and /var/tmp cannot"
else
    trap '' HUP
    say hello "$BOOT" "$U"
    listen | work
fi
