"""The properties that `vmadm validate create` knows of a zone, with their types.

From SmartOS's own table of them. What is not in it `vmadm validate` refuses, and `vmadm create`
drops without a word.
"""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What vmadm takes as a value of a property, in words."""

    TEXT = "a string"
    BOOLEAN = "true or false"
    INTEGER = "a whole number, not negative"
    UUID = "a UUID"
    LIST = "a list"
    FLAT = "an object"
    OBJECTS = "a list of objects"


BRANDS = ("joyent", "joyent-minimal", "lx")


def _table(**names: str) -> dict[str, Kind]:
    return {name: Kind[kind] for kind, text in names.items() for name in text.split()}


PROPERTIES = _table(
    TEXT="alias billing_id brand dns_domain hostname init_name kernel_version owner_uuid "
    "package_name package_version zfs_data_compression zfs_root_compression "
    "zfs_storage_pool_name zonename zpool",
    BOOLEAN="archive_on_delete autoboot delegate_dataset do_not_inventory docker "
    "firewall_enabled indestructible_delegated indestructible_zoneroot maintain_resolvers "
    "nowait restart_init",
    INTEGER="cpu_cap cpu_shares max_locked_memory max_lwps max_msg_ids max_physical_memory "
    "max_sem_ids max_shm_ids max_shm_memory max_swap mdata_exec_timeout quota ram tmpfs "
    "zfs_data_recsize zfs_filesystem_limit zfs_io_priority zfs_root_recsize "
    "zfs_snapshot_limit zlog_max_size",
    UUID="dataset_uuid image_uuid uuid",
    LIST="fs_allowed internal_metadata_namespaces limit_priv resolvers",
    FLAT="customer_metadata internal_metadata routes tags",
    OBJECTS="filesystems nics",
)

NIC_PROPERTIES = _table(
    TEXT="gateway interface ip mac netmask nic_tag vrrp_primary_ip",
    BOOLEAN="allow_dhcp_spoofing allow_ip_spoofing allow_mac_spoofing "
    "allow_restricted_traffic dhcp_server primary",
    INTEGER="mtu vlan_id vrrp_vrid",
    UUID="network_uuid",
    LIST="allowed_dhcp_cids allowed_ips blocked_outgoing_ports gateways ips",
)

NOT_OF_EVERY_BRAND = {"docker": ("joyent-minimal", "lx"), "kernel_version": ("lx",)}
"""The brands of the properties that not all three have."""

_READ_ONLY = (
    "app_svc_dependent boot_timestamp create_timestamp datacenter_name datasets "
    "default_gateway exit_status exit_timestamp failed free_space headnode_id init_restarts "
    "last_modified missing pid platform_buildstamp provisioning server_uuid snapshots state "
    "transition transition_expire transition_to type v vm_autoboot zfs_filesystem zlog_mode "
    "zlog_name zone_state zoneid zonepath"
)
READ_ONLY = frozenset(_READ_ONLY.split())
"""What `vmadm get` shows of a zone that exists, and nobody can set."""
