"""Why each rule is one, in a few sentences: `carpool explain`, and docs/check.md."""

from __future__ import annotations

from carpool.cluster.findings import Rule

EXPLANATIONS = {
    Rule.UNREADABLE: "The file does not exist, is a directory, is larger than 8 MiB, or this user "
    "may not read it. Nothing in it was checked.",
    Rule.NOT_UTF8: "TOML and JSON are UTF-8 by definition. The place is that of the first byte "
    "that is none. Editors can save a file in another encoding; iconv -f latin1 -t utf-8 converts "
    "one.",
    Rule.SYNTAX: "The file could not be read as TOML 1.0, so nothing else in it was checked. Most "
    "often text lacks its quotes, or a table or key is there twice.",
    Rule.NOT_JSON: "The file begins like JSON and is none, so nothing else in it was checked. Most "
    "often a comma is missing, or one stands before a closing bracket.",
    Rule.NOT_PAYLOAD: "vmadm makes one zone from one JSON object. A list of several zones has to "
    "be written into a file for each.",
    Rule.UNCLOSED_QUOTE: "A file of options is read as a shell reads a command: from an opening "
    "quote up to the next of its kind all is one word. Without that, every option after it is "
    "lost.",
    Rule.UNKNOWN_KEY: "A key that carpool does not know does nothing, and is most often another "
    "one misspelt. It is an error, so that a setting cannot be lost silently.",
    Rule.MISSING_KEY: "The key has no sensible default, or what another key says needs it: a zone "
    "of brand lx its kernel_version, a node with a hypervisor a zone.",
    Rule.WRONG_TYPE: "A number in quotes is text, and true is no number. carpool does not guess "
    "which of the two was meant.",
    Rule.OUT_OF_RANGE: "The protocol, the system, or reason sets the limits; the finding tells "
    "them. A vhid has one byte, and 0 is not used.",
    Rule.BAD_NAME: "Names appear in logs, metrics, file names and commands, so they are kept to "
    "letters, digits, '-', '_' and '.', 64 at most, a letter or digit first.",
    Rule.BAD_ADDRESS: "The text is not an IPv4 or IPv6 address in the form that belongs here: real "
    "and virtual addresses with the prefix length of their network, gateways and resolvers "
    "without.",
    Rule.UNUSABLE_ADDRESS: "Network, broadcast, multicast, loopback and unspecified addresses "
    "belong to no single host (RFC 1122, RFC 4291), so no node can have one and none can move.",
    Rule.BAD_INTERFACE: "The system cannot have an interface of that name: names have 1 to 15 "
    "bytes, without blanks, '/' and ':'.",
    Rule.NOT_MULTICAST: "Advertisements over IPv4 go to a multicast group, 224.0.0.18 unless all "
    "nodes agree on another. A unicast address would reach one of them at best.",
    Rule.BAD_TEXT: "Empty text, or a control character in it, is a slip that would surface much "
    "later: as a file that cannot be found or a log that cannot be read. What a mail server or a "
    "web server is told (a user, a header) must be ASCII besides.",
    Rule.BAD_CHOICE: "The key takes one of a few words, and this is none of them.",
    Rule.EMPTY: "An empty list reads like a setting and is none. To have the default, leave the "
    "key out.",
    Rule.BAD_UUID: "SmartOS names images and zones by UUIDs, and compares them as text in lower "
    "case: one in capitals names nothing.",
    Rule.BAD_NIC_TAG: "A nic tag names a physical network of the hypervisor. vmadm takes letters, "
    "digits, '_' and '/', and no '-'. `nictagadm list` shows those that exist.",
    Rule.BAD_HOST_NAME: "A host name or domain that DNS cannot have, or an alias that cannot be "
    "typed on a command line, works until the day that something resolves it.",
    Rule.BAD_HYPERVISOR: "ssh is given the text as the place of the global zone: a name, an IPv4 "
    "address, or an IPv6 address in brackets, with a user before '@' and a port after ':' if "
    "needed.",
    Rule.BAD_KERNEL_VERSION: "A zone of brand lx tells its programs a Linux version. Images say in "
    "their manifest which they need.",
    Rule.BAD_PACKAGE: "Packages are installed by name at the zone's first boot; a name that the "
    "package manager reads as an option or as nothing would stop it there.",
    Rule.BAD_FMRI: "Services are enabled by their name in SMF. Inside the zone `svcs -a` lists "
    "them.",
    Rule.BAD_INTERVAL: 'A time with its unit is a number and `ms` or `s`, in quotes: `"20ms"`.',
    Rule.BAD_LOG_SERVER: "A log server is written as `udp://ADDRESS:PORT` or `tcp://ADDRESS:PORT`, "
    "an IPv6 address in brackets. A name is not looked up: a name server that does not answer "
    "would hold the daemon up just when there is something to say.",
    Rule.NO_PATH: "The daemon does not look for programs in the directories of PATH, which are "
    "others under systemd, SMF and a shell. A name without a slash is a file in the directory in "
    "which the daemon was started. Mostly there is none: an up script does not run, and a check "
    "is bad on every node.",
    Rule.REPEATED: "One of the two does nothing, and it is likely that something else was meant "
    "there.",
    Rule.SHARED_VIP: "A group moves from node to node by itself. An address in two groups would be "
    "held by two nodes at once.",
    Rule.VIP_IS_REAL: "The virtual address has to be free: a node that has it for itself keeps it "
    "whoever is master, and two hosts answer for it.",
    Rule.SHARED_REAL: "Two hosts with one address disturb each other's traffic, and a peer could "
    "not tell their advertisements apart. Most often a file was copied and not adapted.",
    Rule.SHARED_VHID: "Nodes tell groups apart by the vhid in the advertisement. Two groups with "
    "one vhid on one network reject each other's advertisements as forged, and VRRP routers, "
    "which share the protocol number, clash in the same way.",
    Rule.UNKNOWN_NODE: "A group names a node that has no table in the file.",
    Rule.NOT_MEMBER: "A key says something of a node that the group's own list of nodes leaves "
    "out, so it would do nothing.",
    Rule.BOW_OUT: "An advertisement with advbase 255 and advskew 255 says that the master leaves, "
    "and every backup takes over at once. A node that always sends that can never be master.",
    Rule.NO_INTERVAL: "With advbase 0 and advskew 0 the interval is none. carpool then sends 256 "
    "advertisements a second, as OpenBSD does; ucarp refuses to start.",
    Rule.EQUAL_ADVSKEW: "With preempt the node of the lowest advskew takes the address back. Among "
    "equals there is none to prefer, so preempt does nothing between them.",
    Rule.SPLIT_SUBNET: "The nodes of a group share one link, and the virtual address must belong "
    "to its network. A node on another network can take the address over, and then nobody "
    "reaches it there.",
    Rule.SPLIT_SEGMENT: "Advertisements do not leave their VLAN. Nodes on different nic tags or "
    "VLANs never hear each other, so each of them is master.",
    Rule.SAME_HYPERVISOR: "Two zones on one hypervisor survive the failure of one zone, and not "
    "that of the machine, which is what failover is mostly for.",
    Rule.SAME_HOST_NAME: "Logs and monitoring tell nodes apart by their host names, and a name "
    "service can point to one of them only.",
    Rule.SAME_UUID: "A UUID names one zone in the whole installation. vmadm refuses the second one "
    "on a host, and on two hosts every tool takes the two for one.",
    Rule.VIP_OFF_SUBNET: "The node has no address on the network of the virtual one. The address "
    "can move there, but clients reach it only if that network is on the same link, and the "
    "node's answers may leave with another route.",
    Rule.UNEQUAL_VHID: "Nodes whose vhids differ take each other for other groups, so each is "
    "master of the same address.",
    Rule.UNEQUAL_VIPS: "The virtual addresses are part of what each advertisement signs. Nodes "
    "that do not list exactly the same ones reject each other, and each is master.",
    Rule.UNEQUAL_PASSWORD: "An advertisement is signed with the password. Nodes that do not share "
    "it reject each other, and each is master.",
    Rule.UNEQUAL_ADVBASE: "A backup waits for three times its own advbase. If the master's is "
    "longer, the backup takes over between two of its advertisements.",
    Rule.IMPATIENT: "A backup waits dead_ratio times advbase, plus its advskew/256 s, for the "
    "master's next advertisement; with advbase 0, dead_ratio times its advskew/256 s, and in the "
    "fast profile dead_ratio times the longer of its own interval and the master's. If the "
    "master's own interval is as long, the backup takes over from a master that is alive: without "
    "preempt, and again and again.",
    Rule.NOT_TOGETHER: "Groups with the same `together` have their master on one node: what "
    "demotes one demotes all. They are elected one by one all the same, so with other nodes, or "
    "another order of advskew, they start on different ones. A name that one group alone has does "
    "nothing.",
    Rule.IDLE_DELAY: "preempt_delay says how long a node waits before it preempts. Without preempt "
    "it never does.",
    Rule.NOT_FAST: "interval and on_late say how the fast profile is to be. In the standard one "
    "the interval is advbase and advskew together, and nothing watches over the machine.",
    Rule.TWO_INTERVALS: "In the fast profile advbase is 0 and the advskew of a node is its whole "
    "interval, in 1/256 s. Either `interval` sets it for all nodes, or advskew for each.",
    Rule.LOSSY: "Asked with `carpool check --loss PERCENT`: a backup takes over from a master that "
    "is alive when all its advertisements of one master-down time are lost, with probability p to "
    "the power of their number, and every advertisement may be the first of such a row. A short "
    "interval with a high dead_ratio notices a dead master as soon as a long one with a low ratio, "
    "and bears far more loss. Loss in bursts is worse than the sum says.",
    Rule.REPLAY_OFF: "The group accepts every advertisement that was signed with its password, "
    "also one that was heard before. Whoever has recorded some can send them again, with another "
    "interval if they like: no backup takes over from a dead master meanwhile, and a living one "
    "yields. Only a peer with OpenBSD's CARP needs this, because its counter never changes.",
    Rule.IDLE_LOG_KEY: "A facility is for messages to syslog, and an enterprise number for those "
    "of RFC 5424: with another format and without a log server, nothing has it.",
    Rule.PASSWORD_UNREADABLE: "The file that the group's password_file names could not be read. It "
    "is looked up beside the cluster file. Where the check runs without the passwords, use "
    "`carpool check --no-passwords`.",
    Rule.PASSWORD_OPEN: "Whoever knows the password can become master of the group's addresses. "
    "So a file that holds it must be closed to other users: mode 600 or 640.",
    Rule.PASSWORD_UNUSABLE: "The first line of the file is the password: 1 to 20 bytes, as many as "
    "a CARP key has, and no NUL.",
    Rule.PASSWORD_TOO_LONG_FOR_UCARP: "ucarp uses 19 bytes of a password, and the kernels of the "
    "BSDs 20. With a longer one a node that runs ucarp cannot join the group.",
    Rule.WEAK_PASSWORD: "Whoever hears one advertisement can try passwords against its signature, "
    "millions in a second. One of few bytes, or one that is on every list, is found at once. "
    "`carpool init` makes a good one.",
    Rule.PASSWORD_ON_COMMAND_LINE: "Every user of a host can see the arguments of every process "
    "with ps. ucarp's --passfile, and carpool's password_file, keep the password out of sight. "
    "`carpool ucarp --pass` hides it, after a moment.",
    Rule.PASSWORD_IN_METADATA: "Any user of a zone can read its customer_metadata, and all "
    "internal_metadata but what ends in _pw, with mdata-get. The password belongs into "
    "internal_metadata under a name with that ending.",
    Rule.NOT_A_NODE: "The daemon finds out by the host's addresses which node it is. None of them "
    "is the address of a node in the file.",
    Rule.SEVERAL_NODES: "The host has addresses of several nodes, as it happens when the network "
    "was renumbered or a virtual address is in a node's table. --node NAME says which it is.",
    Rule.NO_SUCH_NODE: "The name given with --node has no table [nodes.NAME] in the file.",
    Rule.UNKNOWN_PROPERTY: "`vmadm validate create` refuses a payload with a property that it does "
    "not know, and `vmadm create` drops it without a word. So a misspelt property is a setting "
    "that is not there.",
    Rule.MISSING_PROPERTY: "vmadm needs brand and nic_tag, for brand lx also kernel_version; and "
    "without a nic the zone has no network on which an address could move.",
    Rule.DATASET_UUID: "dataset_uuid is what image_uuid was called before SmartOS had images. "
    "`vmadm validate create` refuses it, and the datasets of that time are gone from the image "
    "servers.",
    Rule.IP_AND_NETMASK: "One ip and a netmask are the outdated form of the list ips, whose "
    "addresses have their prefix length and may be IPv6 too.",
    Rule.TEXT_FOR_LIST: "vmadm splits a string at its commas when it validates, and uses it "
    "unsplit later: gateways as a string passes `vmadm validate` and then fails.",
    Rule.NO_PREFIX: "Without a prefix length nothing says which network the address is on.",
    Rule.PREFIXED_ALLOWED_IP: "The addresses of allowed_ips are bare. vmadm accepts one with a "
    "prefix length, and then the zone's network does not come up at boot.",
    Rule.TOO_MANY_ADDRESSES: "A nic has at most 20 ips and 13 allowed_ips, and 32 of both kinds. "
    "Further virtual addresses need a second nic.",
    Rule.SPOOFING: "Link protection keeps a zone from sending with addresses that are not its own. "
    "CARP needs none of the allow_* flags: list the virtual addresses in allowed_ips, and "
    "advertise from the nic's own MAC address, as carpool does. With a flag, whoever breaks into "
    "the zone can take any address of the network.",
    Rule.BAD_PRIMARY: "One nic is the primary one, whose gateway the zone uses. The property can "
    "only be true, and on one nic only.",
    Rule.VIP_IN_IPS: "Addresses in ips are on the zone from its boot. A virtual address there is "
    "held by every zone that lists it, master or not. It belongs into allowed_ips.",
    Rule.VIP_NOT_ALLOWED: "Link protection drops every packet and ARP answer with an address that "
    "is not in ips or allowed_ips. The zone would become master, and nobody could reach it.",
    Rule.TWO_PREFIXES: "vmadm looks for duplicates in the text with its prefix length, so "
    "192.168.0.201/24 and 192.168.0.201/25 pass as two addresses, and are one on the network.",
    Rule.UNPINNED_IMAGE: "An image is named by its UUID in image_uuid. Anything else, or nothing, "
    "gives another zone on another day, and two nodes that differ.",
    Rule.GATEWAY_IS_SELF: "A zone whose default route leads to its own address reaches nothing "
    "outside its network. vmadm does not look.",
    Rule.GATEWAY_OFF_SUBNET: "A router has to be on a network of the nic, or the zone has no way "
    "to reach it. vmadm does not look.",
    Rule.GATEWAY_IN_CLUSTER: "A gateway that is a peer works until that peer fails; one that is "
    "the virtual address is the zone itself as soon as it is master.",
    Rule.RESOLVER_SLIP: "The address is on the public Internet, and one number away from the "
    "private network of the zone: 192.128 for 192.168. Each look-up would wait for an answer "
    "that does not come, and what the zone asks would leave the house.",
    Rule.MUCH_MEMORY: "max_physical_memory is in MiB, and 2048 or more is far beyond the daemon "
    "and its scripts. Where the zone has a service that needs it, leave the rule out: "
    "`carpool check --ignore CP519`.",
    Rule.HOST_NAME_NOT_DNS: "vmadm takes any text as a host name. DNS wants letters, digits and "
    "hyphens (RFC 1123), and mail, certificates and name services refuse the rest.",
    Rule.NESTED_METADATA: "Values of metadata are strings, numbers and booleans. vmadm refuses "
    "lists, objects and null.",
    Rule.REPEATED_PROPERTY: "JSON readers keep the last one and drop the others without a word.",
    Rule.ZONE_INTERFACE: "The first nic of a zone is net0, in brand lx eth0, and a zone that is "
    "made from a cluster file has no other. With another name, for the node or for a group, the "
    "daemon finds no interface to take the address on.",
    Rule.DYNAMIC_ADDRESS: "A node is known by its address, and DHCP may give it another one. Its "
    "network is not known either, so the gateway and the virtual address were not held against "
    "it.",
    Rule.UNKNOWN_OPTION: "ucarp prints its usage and ends with an exit code that means success, so "
    "the service manager thinks that all is well.",
    Rule.BAD_OPTION: "ucarp cuts numbers to 8 bits and stops reading at the first odd character: "
    "vhid 357 becomes 101. carpool refuses such values.",
    Rule.MISSING_OPTION: "ucarp needs the vhid, the virtual address, the real address and a "
    "password.",
    Rule.BARE_WORD: "ucarp ignores words that belong to no option. Most often one stands behind "
    "an option that takes no value, or a blank is missing its backslash.",
    Rule.UCARP_FLAPS: "With advbase 0 a ucarp backup waits for one interval only, a few "
    "milliseconds, and takes over whenever an advertisement is late.",
    Rule.UNKNOWN_CHECK: "A group names a check for which there is no table [checks.NAME]. Without "
    "it the group would depend on nothing, and nobody would notice.",
    Rule.UNUSED_CHECK: "The check is defined, and no group has it in its checks, so it never runs.",
    Rule.CHECK_TIMEOUT: "A look that has no result after the timeout is given up and counts as "
    "bad. That must be known before the next look begins.",
    Rule.FOREIGN_CHECK_KEY: "Each type of check has its own keys besides those that all have: "
    "docs/health.md lists them. One of another type would do nothing.",
    Rule.CHECK_CONTRADICTION: "Only one of the two can hold: a file that must be absent contains "
    "nothing, a group that is made backup is not demoted by an amount, and without https there is "
    "no certificate.",
    Rule.BAD_URL: "A check gets http:// or https:// from an address, in brackets if it is IPv6. "
    "Names are not looked up: a name server that does not answer would make a healthy host look "
    "ill. The name goes into host, from where the request and the certificate's test have it. A "
    "user or a password in the URL is not supported.",
    Rule.CHECK_NEEDS_LINUX: "A gateway check asks by ARP, which takes a packet socket, and there "
    "is none in a SmartOS zone. A command check with ping looks at nearly the same.",
    Rule.UNKNOWN_GROUP: "A notifier names a group for which there is no table [groups.NAME]. It "
    "would never tell of it, and nobody would notice.",
    Rule.FOREIGN_NOTIFY_KEY: "Each type of notifier has its own keys besides those that all have: "
    "docs/notify.md lists them. One of another type would do nothing.",
    Rule.NOTIFY_CONTRADICTION: "A user needs a password and a password a user, a header for the "
    "secret needs one, and where there is no TLS there is no certificate to trust or to doubt.",
    Rule.SECRET_IN_CLEAR: "Whoever hears the connection learns the password or the token, and can "
    'use it from then on. Use https, or security = "starttls". To this host itself (127.0.0.1, '
    "::1, localhost) nothing is said. A signature (secret_file without secret_header) gives "
    "nothing away.",
    Rule.SECRET_IN_FILE: "By its name the header has a secret in it, and many may read the cluster "
    "file. secret_file names a file of mode 600, and secret_header the header that gets what is in "
    "it.",
    Rule.BAD_MAIL_ADDRESS: "A mail address is name@domain, without the name of the person and "
    "without angle brackets.",
    Rule.BAD_NOTIFY_URL: "A notifier posts to http:// or https://, to a host by its name or "
    "address, in brackets if it is IPv6. A user or a password in the URL is not supported: the "
    "URL is no place for them. The finding does not repeat the URL, which may have a secret in it.",
    Rule.BAD_SERVICE: "A service is a name that systemd or SMF knows, such as apache2 or "
    "svc:/network/http:apache24, or a script by its whole path, which is called with start or "
    "stop.",
    Rule.SERVICE_AT_BOOT: "carpool starts the services of a group on its master and stops them on "
    "the others. One that is in the zone's services too is started at every boot as well, on every "
    "node, until carpool has stopped it.",
    Rule.IDLE_SERVICE_KEY: "service_demote says what happens when a service does not start. In a "
    "group without services it does nothing.",
}
"""The reason for each rule. What to do about a finding, the finding itself says."""


def explain(rule: Rule) -> str:
    """Return the code, the title and the reason, as plain text of one paragraph."""
    return f"{rule.code} ({rule.severity}): {rule.title}\n\n{EXPLANATIONS[rule]}\n"


_PARTS = {
    "0": "The file as a whole",
    "1": "Single keys",
    "2": "What does not fit together",
    "3": "Passwords",
    "4": "Which node a host is",
    "5": "SmartOS zones",
    "6": "ucarp's options",
    "7": "Health checks",
    "8": "Notifications and services",
}


def markdown() -> str:
    """Return docs/check.md."""
    text = _INTRODUCTION
    part = ""
    for rule in Rule:
        if rule.code[2] != part:
            part = rule.code[2]
            text += f"\n## {_PARTS[part]}\n"
        title = rule.title[0].upper() + rule.title[1:]
        text += f"\n### {rule.code}: {title}\n\n*{rule.severity}* — {EXPLANATIONS[rule]}\n"
    return text


_INTRODUCTION = """\
# What `carpool check` finds

    carpool check FILE...

reads cluster files, vmadm payloads, files of ucarp's options and Debian's
`/etc/network/interfaces`, and tells every mistake in them with file, line, column, key and mend.
Several files are also held against each other: give it the payloads and the ucarp options of all
nodes at once. Where they tell of one group only, every payload is taken to be a node of it.

- `--strict` makes warnings count; exit codes: 0 clean, 1 warnings with `--strict`, 2 errors.
- `--format json` (or `--json`) is for programs, `--format github` annotates a pull request.
- `--ignore CP519` leaves out what is meant that way; `--no-passwords` is for a place where the
  password files are not.
- `carpool explain CP519` shows the text below for one code.

An error keeps a cluster from working. A warning is something that works until it does not.
This page is written by `carpool explain --markdown`.
"""
