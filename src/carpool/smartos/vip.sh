#!/bin/sh
#
# @PURPOSE@
# Called as ucarp and carpool call it: with the interface and a virtual address. Safe to run at any
# time, any number of times. Written by carpool render from the addresses in the cluster file.

set -u
LC_ALL=C
PATH="${PATH:+$PATH:}/usr/sbin:/usr/bin:/sbin"
export LC_ALL PATH
ifconfig=@IFCONFIG@

say() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
}

if [ "$#" -lt 2 ]; then
    say "usage: ${0##*/} INTERFACE ADDRESS"
    exit 2
fi
interface=$1
case $2 in
@CASES@
*)
    say "$2 is no virtual address of this node; render the cluster file again"
    exit 2
    ;;
esac

# places ADDRESS: for each logical interface that has it, print its name and its flags.
places() {
    name='' flags=''
    "$ifconfig" -a | while read -r first second _; do
        case $first in
        inet | inet6) [ "${second%%/*}" != "$1" ] || printf '%s %s\n' "$name" "$flags" ;;
        *:) name=${first%:} flags=$second ;;
        esac
    done
}

# configure INTERFACE ADDRESS WORD...: run ifconfig for the family of the address.
configure() {
    target=$1 address=$2
    shift 2
    case $address in
    *:*) "$ifconfig" "$target" inet6 "$@" ;;
    *) "$ifconfig" "$target" "$@" ;;
    esac
}

# is_up FLAGS: whether an interface works that has them.
is_up() {
    case $1 in
    *DUPLICATE*) return 1 ;;
    *'<UP'[,\>]* | *,UP[,\>]*) return 0 ;;
    esac
    return 1
}

# drop LOGICAL-INTERFACE ADDRESS: take it away, but never the interface itself.
drop() {
    case $1 in
    *:*) configure "$1" "$2" unplumb ;;
    *) say "$2 is the own address of $1, and stays there" ;;
    esac
}

# drop_empty: take away what a run that was killed left behind with no address.
drop_empty() {
    places 0.0.0.0 | while read -r logical flags; do
        case $logical in
        "$interface":*) is_up "$flags" || drop "$logical" 0.0.0.0 ;;
        esac
    done
}

