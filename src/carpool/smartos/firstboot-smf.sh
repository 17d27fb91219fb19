fmri=@FMRI@

install_packages() {
    pkgin -y update && pkgin -y install "$@"
}

# The daemon's user: no password, no shell, and the right to configure addresses.
make_user() {
    if id "$user" >/dev/null 2>&1; then
        return
    fi
    getent group "$user" >/dev/null || groupadd "$user" || fail "cannot make the group $user"
    useradd -g "$user" -d "$home" -s /usr/bin/false -A @AUTHORISATION@ "$user" ||
        fail "cannot make the user $user"
    passwd -N "$user" >/dev/null 2>&1 || true
}

import_service() {
    svccfg import "$home/carpool.xml" || fail "cannot import $home/carpool.xml"
}

start_service() {
    state=$(svcs -H -o state "$fmri")
    case $state in
    maintenance) svcadm clear "$fmri" || fail "cannot clear $fmri" ;;
    online* | degraded*)
        [ "$changed" = no ] || svcadm restart "$fmri" || fail "cannot restart $fmri"
        ;;
    esac
    svcadm enable "$fmri" || fail "cannot enable $fmri"
}

enable_service() {
    svcadm enable "$1" || fail "cannot enable $1"
}
