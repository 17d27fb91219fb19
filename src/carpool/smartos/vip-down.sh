failed=0
for cidr in $addresses; do
    vip=${cidr%/*}
    # Wherever it is: also where an earlier run, or ucarp, left it.
    places "$vip" | while read -r logical _; do
        drop "$logical" "$vip"
    done
    if [ -n "$(places "$vip")" ]; then
        say "cannot take $vip off"
        failed=1
    fi
done
drop_empty
exit "$failed"
