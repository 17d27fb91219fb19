#!/bin/sh
#
# Makes this zone run carpool. SmartOS runs it at every boot, from svc:/smartdc/mdata:execute; what
# is there already is left alone, and what an interrupted run left undone is done.
# Written by carpool render: change the cluster file that it was made from, not this script.

set -u
umask 022
LC_ALL=C
PATH="${PATH:+$PATH:}/opt/local/sbin:/opt/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/native/usr/sbin"
export LC_ALL PATH

home=@HOME@
state_directory=@STATE@
user=@USER@

say() {
    printf '%s carpool: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" >&2
}

fail() {
    say "error: $1"
    exit 1
}

# retry COMMAND...: run it up to ten times, waiting longer each time (225 s in all).
retry() {
    attempt=1
    until "$@"; do
        [ "$attempt" -lt 10 ] || return 1
        say "failed, and is tried again (attempt $attempt of 10): $*"
        sleep $((attempt * 5))
        attempt=$((attempt + 1))
    done
}

# put FILE MODE OWNER COMMAND...: make the file what the command prints, at once or not at all.
# What is printed is in no argument, no variable and no log. Sets `changed` if the file changed.
changed=no
put() {
    file=$1 mode=$2 owner=$3
    shift 3
    new=$file.new
    rm -f "$new"
    (umask 077 && "$@" >"$new") || fail "cannot write $file: $1 failed"
    [ -s "$new" ] || fail "cannot write $file: $1 printed nothing"
    if ! chmod "$mode" "$new" || ! chown "$owner" "$new"; then
        fail "cannot give $file to $owner"
    fi
    cmp -s "$new" "$file" || changed=yes
    mv -f "$new" "$file" || fail "cannot write $file"
}

# metadata KEY: print its value. mdata-get ends with 1 if there is no such key.
metadata() {
    mdata-get "$1"
    case $? in
    0) ;;
    1) say "the zone has no metadata $1: run carpool apply" && return 1 ;;
    *) retry mdata-get "$1" ;;
    esac
}

# ensure PACKAGE...: install them, unless an earlier run did.
ensure() {
    if [ -f "$home/packages" ] && [ "$*" = "$(cat "$home/packages")" ]; then
        return 0
    fi
    say "installing $*"
    retry install_packages "$@" || fail "cannot install $*; mend what is said above and boot again"
    put "$home/packages" 644 root printf '%s\n' "$*"
}

# The daemon keeps there what must survive its restart.
make_state_directory() {
    mkdir -p "$state_directory" || fail "cannot make $state_directory"
    if ! chown "$user" "$state_directory" || ! chmod 700 "$state_directory"; then
        fail "cannot give $state_directory to $user"
    fi
}

@PLATFORM@

mkdir -p "$home" || fail "cannot make $home"
@PACKAGES@
make_user
make_state_directory
@SCRIPTS@
changed=no # if what follows changes, a running daemon has to start again
@FILES@
import_service
if [ ! -f "$home/carpool.pyz" ]; then
    say "$home/carpool.pyz is not here yet: carpool apply puts it here, and starts the service"
    exit 0
fi
start_service
@SERVICES@
say "done"
