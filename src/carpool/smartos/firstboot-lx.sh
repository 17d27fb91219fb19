install_packages() {
    if command -v apt-get >/dev/null; then
        DEBIAN_FRONTEND=noninteractive
        export DEBIAN_FRONTEND
        apt-get -q update && apt-get -q -y install "$@"
    elif command -v dnf >/dev/null; then
        dnf -y install "$@"
    elif command -v yum >/dev/null; then
        yum -y install "$@"
    elif command -v apk >/dev/null; then
        apk add "$@"
    else
        say "there is none of apt-get, dnf, yum and apk"
        return 1
    fi
}

# The daemon is root here: the zone itself confines it.
make_user() {
    user=root
}

import_service() {
    command -v systemctl >/dev/null || fail "this image has no systemd; use one that has"
    systemctl daemon-reload || fail "cannot reload systemd"
}

start_service() {
    if [ "$changed" = yes ] && systemctl -q is-active carpool; then
        systemctl restart carpool || fail "cannot restart carpool"
    fi
    systemctl enable --now carpool || fail "cannot start carpool"
}

enable_service() {
    systemctl enable --now "$1" || fail "cannot enable $1"
}
