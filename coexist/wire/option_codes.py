"""The numbers and shapes of DHCP options.

Sources: RFC 2132 (most), RFC 2241 (85 to 87), RFC 3004 (77), RFC 3046 (82), RFC 4280 (88, 89), RFC 4578
(PXE: 93, 94, 97), RFC 5071 (208 to 211), RFC 5192 (136), RFC 5417 (138), RFC 5859 (150), RFC 6153 (142),
RFC 8910 (114). The others are as in IANA's registry of BOOTP options; of 112 and 113 it says no more than
what they hold. 160 was the portal of RFC 7710, and dhcpd keeps it. 175 is iPXE's own.

From 128 on only what dhcpd 4.4, Kea 2.2 or dnsmasq 2.90 know has a shape: sites used these codes for
themselves before the registry gave them away (RFC 3942), and phones and thin clients still do (144, 157,
161, 162).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType

INFINITE_LEASE = 0xFFFFFFFF
"""A lease time (option 51, seconds) without an end (RFC 2131 section 3.3)."""


class Option(IntEnum):
    """Option codes by their RFC titles. ``PAD`` and ``END`` have no length and no value."""

    PAD = 0
    SUBNET_MASK = 1
    TIME_OFFSET = 2
    ROUTER = 3
    TIME_SERVER = 4
    NAME_SERVER = 5
    DOMAIN_NAME_SERVER = 6
    LOG_SERVER = 7
    COOKIE_SERVER = 8
    LPR_SERVER = 9
    IMPRESS_SERVER = 10
    RESOURCE_LOCATION_SERVER = 11
    HOST_NAME = 12
    BOOT_FILE_SIZE = 13
    MERIT_DUMP_FILE = 14
    DOMAIN_NAME = 15
    SWAP_SERVER = 16
    ROOT_PATH = 17
    EXTENSIONS_PATH = 18
    IP_FORWARDING = 19
    NON_LOCAL_SOURCE_ROUTING = 20
    POLICY_FILTER = 21
    MAXIMUM_DATAGRAM_REASSEMBLY_SIZE = 22
    DEFAULT_IP_TIME_TO_LIVE = 23
    PATH_MTU_AGING_TIMEOUT = 24
    PATH_MTU_PLATEAU_TABLE = 25
    INTERFACE_MTU = 26
    ALL_SUBNETS_ARE_LOCAL = 27
    BROADCAST_ADDRESS = 28
    PERFORM_MASK_DISCOVERY = 29
    MASK_SUPPLIER = 30
    PERFORM_ROUTER_DISCOVERY = 31
    ROUTER_SOLICITATION_ADDRESS = 32
    STATIC_ROUTE = 33
    TRAILER_ENCAPSULATION = 34
    ARP_CACHE_TIMEOUT = 35
    ETHERNET_ENCAPSULATION = 36
    TCP_DEFAULT_TTL = 37
    TCP_KEEPALIVE_INTERVAL = 38
    TCP_KEEPALIVE_GARBAGE = 39
    NIS_DOMAIN = 40
    NIS_SERVERS = 41
    NTP_SERVERS = 42
    VENDOR_SPECIFIC_INFORMATION = 43
    NETBIOS_NAME_SERVER = 44
    NETBIOS_DATAGRAM_DISTRIBUTION_SERVER = 45
    NETBIOS_NODE_TYPE = 46
    NETBIOS_SCOPE = 47
    X_WINDOW_FONT_SERVER = 48
    X_WINDOW_DISPLAY_MANAGER = 49
    REQUESTED_IP_ADDRESS = 50
    IP_ADDRESS_LEASE_TIME = 51
    OPTION_OVERLOAD = 52
    DHCP_MESSAGE_TYPE = 53
    SERVER_IDENTIFIER = 54
    PARAMETER_REQUEST_LIST = 55
    MESSAGE = 56
    MAXIMUM_DHCP_MESSAGE_SIZE = 57
    RENEWAL_TIME = 58
    REBINDING_TIME = 59
    VENDOR_CLASS_IDENTIFIER = 60
    CLIENT_IDENTIFIER = 61
    NETWARE_IP_DOMAIN = 62
    NETWARE_IP_INFORMATION = 63
    NISPLUS_DOMAIN = 64
    NISPLUS_SERVERS = 65
    TFTP_SERVER_NAME = 66
    BOOTFILE_NAME = 67
    MOBILE_IP_HOME_AGENT = 68
    SMTP_SERVER = 69
    POP3_SERVER = 70
    NNTP_SERVER = 71
    WWW_SERVER = 72
    FINGER_SERVER = 73
    IRC_SERVER = 74
    STREETTALK_SERVER = 75
    STREETTALK_DIRECTORY_ASSISTANCE_SERVER = 76
    USER_CLASS = 77
    DIRECTORY_AGENT = 78
    SERVICE_SCOPE = 79
    RAPID_COMMIT = 80
    CLIENT_FQDN = 81
    RELAY_AGENT_INFORMATION = 82
    ISNS = 83
    NDS_SERVERS = 85
    NDS_TREE_NAME = 86
    NDS_CONTEXT = 87
    BCMCS_CONTROLLER_DOMAIN_NAMES = 88
    BCMCS_CONTROLLER_ADDRESSES = 89
    AUTHENTICATION = 90
    CLIENT_LAST_TRANSACTION_TIME = 91
    ASSOCIATED_IP = 92
    CLIENT_SYSTEM_ARCHITECTURE = 93
    CLIENT_NETWORK_INTERFACE_IDENTIFIER = 94
    CLIENT_MACHINE_IDENTIFIER = 97
    USER_AUTHENTICATION = 98
    GEOCONF_CIVIC = 99
    PCODE = 100
    TCODE = 101
    IPV6_ONLY_PREFERRED = 108
    DHCP4O6_SOURCE_ADDRESS = 109
    NETINFO_ADDRESS = 112
    NETINFO_TAG = 113
    CAPTIVE_PORTAL = 114
    AUTO_CONFIGURE = 116
    NAME_SERVICE_SEARCH = 117
    SUBNET_SELECTION = 118
    DOMAIN_SEARCH = 119
    SIP_SERVERS = 120
    CLASSLESS_STATIC_ROUTE = 121
    CABLELABS_CLIENT_CONFIGURATION = 122
    GEOCONF = 123
    VENDOR_IDENTIFYING_VENDOR_CLASS = 124
    VENDOR_IDENTIFYING_VENDOR_SPECIFIC = 125
    PANA_AGENTS = 136
    LOST_SERVER = 137
    CAPWAP_ACCESS_CONTROLLER = 138
    SIP_UA_CONFIGURATION_SERVICE_DOMAINS = 141
    ANDSF_ADDRESSES = 142
    RDNSS_SELECTION = 146
    TFTP_SERVER_ADDRESS = 150
    PORT_PARAMETERS = 159
    CAPTIVE_PORTAL_OF_RFC_7710 = 160
    IPXE_ENCAPSULATED = 175
    PXELINUX_MAGIC = 208
    PXELINUX_CONFIGURATION_FILE = 209
    PXELINUX_PATH_PREFIX = 210
    PXELINUX_REBOOT_TIME = 211
    SIXRD = 212
    ACCESS_NETWORK_DOMAIN = 213
    MICROSOFT_CLASSLESS_STATIC_ROUTE = 249
    WEB_PROXY_AUTO_DISCOVERY = 252
    END = 255


class MessageType(IntEnum):
    """Option 53: RFC 2132 section 9.6."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class OptionKind(Enum):
    """The shape of an option's value."""

    TEXT = "text"
    ADDRESS = "one IPv4 address"
    ADDRESSES = "one or more IPv4 addresses"
    U8 = "a number of 8 bits"
    U16 = "a number of 16 bits"
    U32 = "a number of 32 bits"
    I32 = "a signed number of 32 bits"
    U8_LIST = "one or more numbers of 8 bits"
    U16_LIST = "one or more numbers of 16 bits"
    BOOLEAN = "true or false"
    BYTES = "octets"


def _kinds() -> dict[int, OptionKind]:
    o = Option
    by_kind: dict[OptionKind, tuple[Option, ...]] = {
        OptionKind.TEXT: (
            o.HOST_NAME, o.MERIT_DUMP_FILE, o.DOMAIN_NAME, o.ROOT_PATH, o.EXTENSIONS_PATH, o.NIS_DOMAIN,
            o.NETBIOS_SCOPE, o.MESSAGE, o.VENDOR_CLASS_IDENTIFIER, o.NETWARE_IP_DOMAIN, o.NISPLUS_DOMAIN,
            o.TFTP_SERVER_NAME, o.BOOTFILE_NAME,
            # RFC 3004 prefixes each user class with its length; iPXE and the servers that
            # look at 77 write the bare text.
            o.USER_CLASS,
            o.NDS_TREE_NAME, o.NDS_CONTEXT, o.USER_AUTHENTICATION, o.PCODE, o.TCODE, o.NETINFO_TAG,
            o.CAPTIVE_PORTAL, o.CAPTIVE_PORTAL_OF_RFC_7710, o.PXELINUX_CONFIGURATION_FILE,
            o.PXELINUX_PATH_PREFIX, o.WEB_PROXY_AUTO_DISCOVERY,
        ),
        OptionKind.ADDRESS: (
            o.SUBNET_MASK, o.SWAP_SERVER, o.BROADCAST_ADDRESS, o.ROUTER_SOLICITATION_ADDRESS,
            o.REQUESTED_IP_ADDRESS, o.SERVER_IDENTIFIER, o.SUBNET_SELECTION,
        ),
        # 21 and 33 are pairs of addresses.
        OptionKind.ADDRESSES: (
            o.ROUTER, o.TIME_SERVER, o.NAME_SERVER, o.DOMAIN_NAME_SERVER, o.LOG_SERVER, o.COOKIE_SERVER,
            o.LPR_SERVER, o.IMPRESS_SERVER, o.RESOURCE_LOCATION_SERVER, o.POLICY_FILTER, o.STATIC_ROUTE,
            o.NIS_SERVERS, o.NTP_SERVERS, o.NETBIOS_NAME_SERVER, o.NETBIOS_DATAGRAM_DISTRIBUTION_SERVER,
            o.X_WINDOW_FONT_SERVER, o.X_WINDOW_DISPLAY_MANAGER, o.NISPLUS_SERVERS, o.MOBILE_IP_HOME_AGENT,
            o.SMTP_SERVER, o.POP3_SERVER, o.NNTP_SERVER, o.WWW_SERVER, o.FINGER_SERVER, o.IRC_SERVER,
            o.STREETTALK_SERVER, o.STREETTALK_DIRECTORY_ASSISTANCE_SERVER, o.NDS_SERVERS,
            o.BCMCS_CONTROLLER_ADDRESSES, o.ASSOCIATED_IP, o.NETINFO_ADDRESS, o.PANA_AGENTS,
            o.CAPWAP_ACCESS_CONTROLLER, o.ANDSF_ADDRESSES, o.TFTP_SERVER_ADDRESS,
        ),
        OptionKind.U8: (
            o.DEFAULT_IP_TIME_TO_LIVE, o.TCP_DEFAULT_TTL, o.NETBIOS_NODE_TYPE, o.OPTION_OVERLOAD,
            o.DHCP_MESSAGE_TYPE, o.AUTO_CONFIGURE,
        ),
        OptionKind.U16: (
            o.BOOT_FILE_SIZE, o.MAXIMUM_DATAGRAM_REASSEMBLY_SIZE, o.INTERFACE_MTU,
            o.MAXIMUM_DHCP_MESSAGE_SIZE,
        ),
        OptionKind.U32: (
            o.PATH_MTU_AGING_TIMEOUT, o.ARP_CACHE_TIMEOUT, o.TCP_KEEPALIVE_INTERVAL,
            o.IP_ADDRESS_LEASE_TIME, o.RENEWAL_TIME, o.REBINDING_TIME, o.CLIENT_LAST_TRANSACTION_TIME,
            o.IPV6_ONLY_PREFERRED, o.PXELINUX_REBOOT_TIME,
        ),
        OptionKind.I32: (o.TIME_OFFSET,),
        OptionKind.U8_LIST: (o.PARAMETER_REQUEST_LIST,),
        OptionKind.U16_LIST: (
            o.PATH_MTU_PLATEAU_TABLE, o.CLIENT_SYSTEM_ARCHITECTURE, o.NAME_SERVICE_SEARCH,
        ),
        OptionKind.BOOLEAN: (
            o.IP_FORWARDING, o.NON_LOCAL_SOURCE_ROUTING, o.ALL_SUBNETS_ARE_LOCAL, o.PERFORM_MASK_DISCOVERY,
            o.MASK_SUPPLIER, o.PERFORM_ROUTER_DISCOVERY, o.TRAILER_ENCAPSULATION,
            o.ETHERNET_ENCAPSULATION, o.TCP_KEEPALIVE_GARBAGE,
        ),
    }  # fmt: skip
    return {int(code): kind for kind, codes in by_kind.items() for code in codes}


OPTION_KIND: Mapping[int, OptionKind] = MappingProxyType(_kinds())
"""The shape of each option that has one; every other option is ``BYTES`` (``option_kind``)."""


def option_kind(code: int) -> OptionKind:
    """The shape of an option's value; ``BYTES`` for a code without a known shape."""
    return OPTION_KIND.get(code, OptionKind.BYTES)


def option_title(code: int) -> str:
    """How an option is named to people: ``67 (BOOTFILE_NAME)``, or the bare number."""
    return f"{code} ({Option(code).name})" if code in Option.__members__.values() else str(code)
