"""What all scripts for global zones and zones begin with."""

ENVIRONMENT = """\
PATH="${PATH:+$PATH:}/usr/bin:/usr/sbin:/sbin:/bin"
LC_ALL=C
export PATH LC_ALL
"""

DIGEST = """\
digests_of() {
    if [ -x /usr/bin/digest ]; then digest -a sha256 "$@"; else sha256sum "$@"; fi
}
"""
"""digest(1) is illumos's, sha256sum(1) Linux's; the digests are the words of 64 digits."""
