"""Nodes and groups without a mistake, and every mistake that can be made in them."""

GOOD = """\
[nodes.web1]
address = ["192.168.0.201/24", "fd00::201/64"]
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "net0"
weight = 50
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24", "2001:db8::200/64"]
password_file = "www.key"
advskew = { web1 = 0, web2 = 100 }
nodes = ["web1", "web2"]
[groups.db]
vhid = 43
addresses = ["192.168.0.210"]
password_file = "www.key"
advbase = 1
"""

# code, line, key, and how GOOD is spoilt: this text, by that text.
MISTAKES = [
    ("CP003", 3, "", 'interface = "net0"\n[nodes.web2]', "interface = net0\n[nodes.web2]"),
    ("CP003", 18, "", "advbase = 1\n", "advbase ="),
    ("CP003", 21, "", "advbase = 1\n", "advbase = 1\n\n\n'''"),
    ("CP003", 8, "", "[groups.www]", "[nodes.web2]"),
    ("CP101", 19, "node", "advbase = 1\n", "advbase = 1\n[node.x]\n"),
    ("CP101", 1, "x", "[nodes.web1]", "x = 1\n[nodes.web1]"),
    ("CP101", 18, "groups.db.advbas", "advbase", "advbas"),
    ("CP101", 7, "nodes.web2.'a b'", "weight", "'a b'"),
    ("CP102", 4, "nodes.web2.address", 'address = "192.168.0.202/24"\n', ""),
    ("CP102", 4, "nodes.web2.interface", 'interface = "net0"\nweight', "weight"),
    ("CP102", 8, "groups.www.vhid", "vhid = 42\n", ""),
    ("CP102", 14, "groups.db.password_file", 'password_file = "www.key"\nadvbase', "advbase"),
    ("CP102", 14, "groups.db.addresses", 'addresses = ["192.168.0.210"]\n', ""),
    ("CP103", 9, "groups.www.vhid", "42", '"42"'),
    ("CP227", 18, "groups.db.replay", "advbase = 1", 'replay = "off"'),
    ("CP103", 9, "groups.www.vhid", "42", "true"),
    ("CP103", 9, "groups.www.vhid", "42", "42.0"),
    ("CP103", 9, "groups.www.vhid", "42", "2020-01-01"),
    ("CP103", 18, "groups.db.preempt", "advbase = 1", "preempt = 1"),
    ("CP103", 18, "groups.db.advbase", "advbase = 1", "advbase.x = 1"),
    ("CP103", 5, "nodes.web2.address", '"192.168.0.202/24"', "5"),
    ("CP103", 10, "groups.www.addresses[1]", '"2001:db8::200/64"', "[]"),
    ("CP103", 11, "groups.www.password_file", '"www.key"\nadvskew', "1\nadvskew"),
    ("CP103", 12, "groups.www.advskew.web2", "100", "'100'"),
    ("CP103", 12, "groups.www.advskew", "{ web1 = 0, web2 = 100 }", "[0, 100]"),
    ("CP103", 13, "groups.www.nodes", '["web1", "web2"]', '"web1"'),
    ("CP103", 18, "groups.db.nodes[1]", "advbase = 1", "nodes = ['web1', 2]"),
    ("CP103", 18, "groups.db.interface.web2", "advbase = 1", "interface = { web2 = 2 }"),
    ("CP103", 18, "groups.db.up", "advbase = 1", "up = 1"),
    ("CP103", 18, "groups.db.up", "advbase = 1", "up = ['/up', 1]"),
    ("CP103", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = true"),
    ("CP103", 18, "groups.db.multicast", "advbase = 1", "multicast = 1"),
    ("CP103", 18, "groups.db.source_mac", "advbase = 1", "source_mac = 1"),
    ("CP103", 14, "groups.db", "[groups.db]", "[[groups.db]]"),
    ("CP103", 19, "cluster", "advbase = 1\n", "advbase = 1\n[[cluster]]\n"),
    ("CP104", 9, "groups.www.vhid", "42", "0"),
    ("CP104", 9, "groups.www.vhid", "42", "256"),
    ("CP104", 9, "groups.www.vhid", "42", "0x" + "f" * 9000),
    ("CP104", 7, "nodes.web2.weight", "50", "-1"),
    ("CP104", 12, "groups.www.advskew.web2", "100", "256"),
    ("CP104", 18, "groups.db.advbase", "advbase = 1", "advbase = 256"),
    ("CP104", 18, "groups.db.dead_ratio", "advbase = 1", "dead_ratio = 0"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = 0"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = nan"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", f"script_timeout = 0x{'f' * 9000}"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = inf"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = 86401"),
    ("CP103", 18, "groups.db.hold_down", "advbase = 1", "hold_down = false"),
    ("CP104", 18, "groups.db.hold_down", "advbase = 1", "hold_down = -1"),
    ("CP104", 18, "groups.db.preempt_delay", "advbase = 1", "preempt_delay = 86401"),
    ("CP104", 18, "groups.db.announce_every", "advbase = 1", "announce_every = nan"),
    ("CP105", 14, "groups.-db", "[groups.db]", '[groups."-db"]'),
    ("CP105", 14, "groups.'d b'", "[groups.db]", '[groups."d b"]'),
    ("CP105", 14, "groups.'d\\nb'", "[groups.db]", '[groups."d\\nb"]'),
    ("CP105", 14, "groups.''", "[groups.db]", '[groups.""]'),
    ("CP105", 20, "cluster.name", "advbase = 1\n", "advbase = 1\n[cluster]\nname = '../x'\n"),
    ("CP106", 5, "nodes.web2.address", "192.168.0.202/24", "192.168.0.256/24"),
    ("CP106", 5, "nodes.web2.address", "192.168.0.202/24", "web2"),
    ("CP106", 5, "nodes.web2.address", "192.168.0.202/24", ""),
    ("CP106", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.200/33"),
    ("CP106", 10, "groups.www.addresses[0]", "200/24", "200/255.255.255.0"),
    ("CP106", 10, "groups.www.addresses[1]", "2001:db8::200/64", "fe80::1%net0/64"),
    ("CP107", 5, "nodes.web2.address", "192.168.0.202/24", "127.0.0.1/8"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.0/24"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.255/24"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.255"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "224.0.0.18"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "127.1.2.3"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "0.0.0.0"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "0.1.2.3"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "255.255.255.255"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.200/0"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "2001:db8::/64"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "ff02::12"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "::1"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "::"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "::ffff:10.0.0.1"),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '"net0 "\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '""\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '"a/b"\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '".."\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '"n\\u0000"\nweight'),
    ("CP108", 18, "groups.db.interface.web1", "advbase = 1", f"interface.web1 = '{'n' * 16}'"),
    ("CP108", 18, "groups.db.interface", "advbase = 1", f"interface = '{'ü' * 8}'"),
    ("CP108", 18, "groups.db.interface", "advbase = 1", "interface = 'a b'"),
    ("CP109", 18, "groups.db.multicast", "advbase = 1", "multicast = '192.168.0.1'"),
    ("CP109", 18, "groups.db.multicast", "advbase = 1", "multicast = 'ff02::12'"),
    ("CP109", 18, "groups.db.multicast", "advbase = 1", "multicast = ''"),
    ("CP110", 11, "groups.www.password_file", '"www.key"\nadvskew', '""\nadvskew'),
    ("CP110", 11, "groups.www.password_file", '"www.key"\nadvskew', '"a\\u0000b"\nadvskew'),
    ("CP110", 18, "groups.db.up", "advbase = 1", "up = ''"),
    ("CP122", 18, "groups.db.up", "advbase = 1", "up = 'up.sh'"),
    ("CP110", 18, "groups.db.up", "advbase = 1", 'up = ["/up", "\\u0000"]'),
    ("CP111", 18, "groups.db.source_mac", "advbase = 1", "source_mac = 'virtuel'"),
    ("CP112", 10, "groups.www.addresses", '["192.168.0.200/24", "2001:db8::200/64"]', "[]"),
    ("CP112", 13, "groups.www.nodes", '["web1", "web2"]', "[]"),
    ("CP112", 18, "groups.db.down", "advbase = 1", "down = []"),
    ("CP201", 2, "nodes.web1.address[1]", "fd00::201/64", "192.168.0.201"),
    ("CP201", 10, "groups.www.addresses[1]", "2001:db8::200/64", "192.168.0.200"),
    ("CP201", 18, "groups.db.nodes[1]", "advbase = 1", "nodes = ['web1', 'web1']"),
    ("CP202", 16, "groups.db.addresses[0]", "192.168.0.210", "2001:db8:0::200"),
    ("CP203", 16, "groups.db.addresses[0]", "192.168.0.210", "192.168.0.202"),
    ("CP203", 16, "groups.db.addresses[0]", "192.168.0.210", "fd00::201"),
    ("CP204", 5, "nodes.web2.address", "192.168.0.202/24", "192.168.0.201/24"),
    ("CP205", 16, "groups.db.vhid", "vhid = 43", "interface = { web1 = 'net9' }\nvhid = 42"),
    ("CP205", 15, "groups.db.vhid", "43", "42"),
    ("CP206", 18, "groups.db.nodes[1]", "advbase = 1", "nodes = ['web1', 'web3']"),
    ("CP206", 12, "groups.www.advskew.wbe2", "web2 = 100", "wbe2 = 100"),
    ("CP206", 18, "groups.db.interface.web3", "advbase = 1", "interface.web3 = 'net0'"),
    ("CP207", 12, "groups.www.advskew.web2", '["web1", "web2"]', '["web1"]'),
    ("CP208", 19, "groups.db.advskew", "advbase = 1\n", "advbase = 255\nadvskew = 255\n"),
    ("CP209", 18, "groups.db.advbase", "advbase = 1\n",
     "advbase = 0\nadvskew = { web1 = 0, web2 = 2 }\n"),
    ("CP222", 18, "groups.db.together", "advbase = 1\n", "together = 'edge'\n"),
    *(
        ("CP222", 17, "groups.db.together", '["web1", "web2"]\n[groups.db]\n',
         f"['web1', 'web2']\ntogether = 'edge'\n[groups.db]\n{other}\ntogether = 'edge'\n")
        for other in ("nodes = ['web1']", "advskew.web1 = 200")
    ),
    ("CP223", 18, "groups.db.preempt_delay", "advbase = 1\n", "preempt_delay = 1\n"),
    ("CP210", 19, "groups.db.advskew", "advbase = 1\n", "preempt = true\nadvskew = 0\n"),
    *(
        ("CP221", 18, "groups.db.advbase", "advbase = 1\n", f"advbase = 0\n{rest}\n")
        for rest in (
            "advskew = { web1 = 60, web2 = 20 }",  # as long to wait as to send
            "advskew = { web1 = 120, web2 = 1 }",
            "advskew = 20\ndead_ratio = 1",
        )
    ),
    ("CP221", 18, "groups.db.dead_ratio", "advbase = 1\n", "dead_ratio = 1\nadvskew = 9\n"),
    # The fast profile.
    ("CP111", 18, "groups.db.profile", "advbase = 1", "profile = 'fats'"),
    ("CP103", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = 20"),
    ("CP120", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = '20'"),
    ("CP120", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = 'nan ms'"),
    ("CP104", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = '3ms'"),
    ("CP104", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = '1.1s'"),
    ("CP224", 19, "groups.db.interval", "advbase = 1\n", "advbase = 1\ninterval = '20ms'\n"),
    ("CP224", 19, "groups.db.on_late", "advbase = 1\n", "advbase = 1\non_late = 'refuse'\n"),
    ("CP225", 18, "groups.db.advbase", "advbase = 1\n", "advbase = 1\nprofile = 'fast'\n"),
    ("CP225", 20, "groups.db.advskew", "advbase = 1\n",
     "profile = 'fast'\ninterval = '20ms'\nadvskew = 5\n"),
    ("CP103", 19, "log", "advbase = 1\n", "advbase = 1\n[[log]]\n"),
    ("CP101", 20, "log.lvl", "advbase = 1\n", "advbase = 1\n[log]\nlvl = 'info'\n"),
    ("CP111", 20, "log.format", "advbase = 1\n", "advbase = 1\n[log]\nformat = 'jsn'\n"),
    ("CP111", 20, "log.level", "advbase = 1\n", "advbase = 1\n[log]\nlevel = 'warn'\n"),
    ("CP111", 20, "log.facility", "advbase = 1\n", "advbase = 1\n[log]\nfacility = 'local8'\n"),
    ("CP104", 20, "log.enterprise", "advbase = 1\n", "advbase = 1\n[log]\nenterprise = 0\n"),
    *(
        ("CP121", 20, "log.server", "advbase = 1\n", f"advbase = 1\n[log]\nserver = '{server}'\n")
        for server in (
            *("loghost", "192.0.2.1", "udp://loghost:514", "tls://192.0.2.1", "udp://192.0.2.256"),
            *("udp://192.0.2.1:0", "tcp://192.0.2.1:65536", "udp://[fe80::1%eth0]", "tcp://::1:601"),
            *("udp://0.0.0.0", "udp://224.0.0.1:514", "udp://192.0.2.1:514/"),
        )
    ),
    ("CP228", 20, "log.facility", "advbase = 1\n", "advbase = 1\n[log]\nfacility = 'local3'\n"),
    ("CP228", 21, "log.facility", "advbase = 1\n",
     "advbase = 1\n[log]\nformat = 'json'\nfacility = 'local3'\n"),
    ("CP228", 21, "log.enterprise", "advbase = 1\n",
     "advbase = 1\n[log]\nformat = 'syslog'\nenterprise = 7\n"),
    ("CP209", 19, "groups.db.advskew", "advbase = 1\n", "profile = 'fast'\nadvskew.web1 = 0\n"),
    ("CP210", 18, "groups.db.preempt", "advbase = 1\n", "preempt = true\nprofile = 'fast'\n"),
    ("CP221", 18, "groups.db.dead_ratio", "advbase = 1\n", "dead_ratio = 1\nprofile = 'fast'\n"),
]  # fmt: skip
