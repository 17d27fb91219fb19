# clean ADDRESS: take it away wherever it is, but for where it should be and works.
clean() {
    places "$1" | while read -r logical flags; do
        case $logical in
        "$interface" | "$interface":*) if is_up "$flags"; then continue; fi ;;
        esac
        drop "$logical" "$1"
    done
}

# add ADDRESS/PREFIX: put it on the interface, IPv6 itself first if need be.
add() {
    case $1 in
    *:*) configure "$interface" "$1" >/dev/null 2>&1 || configure "$interface" "$1" plumb up ;;
    esac
    configure "$interface" "$1" addif "$1" up >/dev/null
}

# take ADDRESS/PREFIX: have it on the interface, and see that it works.
take() {
    vip=${1%/*}
    clean "$vip"
    [ -n "$(places "$vip")" ] || add "$1" || return 1
    # While the old master still answers for it, the kernel marks it DUPLICATE, and would look
    # again only after five minutes.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        found=$(places "$vip")
        [ -n "$found" ] || return 1
        if is_up "${found#* }"; then
            return 0
        fi
        sleep 1
        configure "${found%% *}" "$vip" up
    done
    say "another host still answers for $vip: look for a second master"
    return 1
}

if ! "$ifconfig" "$interface" >/dev/null 2>&1; then
    say "there is no interface $interface"
    exit 1
fi
drop_empty
failed=0
for cidr in $addresses; do
    if ! take "$cidr"; then
        say "cannot put $cidr on $interface"
        failed=1
    fi
done
exit "$failed"
