"""Random dhcpd.conf files with what the words of an inventory cannot say.

Expressions, nested conditions, classes by their keys, spaces of options, statements at every level.
"""

from __future__ import annotations

from hypothesis import strategies as st

HEAD = """# stands on 10.93.0.2/16, relay 10.94.0.1
ddns-update-style none; ping-check false; authoritative;
option arch code 93 = unsigned integer 16;
option loader-path code 200 = text;
option boards code 201 = array of { integer 8, ip-address };
option space pxe;
option pxe.discovery code 6 = unsigned integer 8;
option pxe.menu code 9 = string;
"""
MACS = ("02:00:5e:93:00:01", "02:00:5e:93:00:02", "02:00:5e:93:00:03", "02:00:5e:93:00:04")
# -- expressions -------------------------------------------------------------------------------

_TEXTS = ("PXEClient", "iPXE", "MSFT", "", "a", "pc-42")
_DATA = st.one_of(
    st.sampled_from(_TEXTS).map(lambda text: f'"{text}"'),
    st.sampled_from((
        "option vendor-class-identifier", "option user-class", "option host-name", "option arch",
        "option dhcp-client-identifier", "option pxe-client-id", "option agent.circuit-id", "hardware",
        "packet(28, 6)", "host-decl-name", "00:07", "config-option domain-name",
        "filename", "option dhcp-parameter-request-list",
    )),
)  # fmt: skip


def _data_of(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    small = st.integers(0, 9)
    return st.one_of(
        st.tuples(inner, small, small).map(lambda p: f"substring({p[0]}, {p[1]}, {p[2]})"),
        st.tuples(inner, small).map(lambda p: f"suffix({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"concat({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"pick-first-value({p[0]}, {p[1]})"),
        st.tuples(st.sampled_from(("lcase", "ucase")), inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(st.sampled_from((1, 2, 3)), inner).map(lambda p: f"reverse({p[0]}, {p[1]})"),
        st.tuples(st.sampled_from((2, 8, 10, 16)), inner).map(
            lambda p: f'binary-to-ascii({p[0]}, 8, ":", {p[1]})'
        ),
        inner.map(lambda data: f"encode-int(extract-int(concat({data}, 00:00), 16), 16)"),
    )


data = st.recursive(_DATA, _data_of, max_leaves=4)
"""What is not of the leased address: which one that is, is the daemon's own affair."""
_TRUTHS = st.one_of(
    st.tuples(data, st.sampled_from(("=", "!=")), data).map(lambda p: f"{p[0]} {p[1]} {p[2]}"),
    st.tuples(data, st.sampled_from(("~=", "~~")), st.sampled_from(("^i", "PXE", "[0-9]+$", ":"))).map(
        lambda p: f'{p[0]} {p[1]} "{p[2]}"'
    ),
    st.sampled_from(("known", "static", "exists user-class", "exists agent.circuit-id", "option arch = 7",
                     "exists host-name", 'substring(option vendor-class-identifier, 0, 9) = "PXEClient"')),
)  # fmt: skip
truths = st.recursive(
    _TRUTHS,
    lambda inner: st.one_of(
        inner.map(lambda truth: f"not ({truth})"),
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda p: f"(({p[0]}) {p[1]} ({p[2]}))"),
    ),
    max_leaves=3,
)

# -- statements --------------------------------------------------------------------------------

_PLAIN = st.one_of(
    st.sampled_from((
        'filename "pxelinux.0";', 'filename "x/y.efi";', "next-server 10.93.0.9;", 'server-name "boots";',
        'option domain-name "campus.example";', "option domain-name-servers 10.93.0.3, 10.93.0.4;",
        "option routers 10.93.0.1;", 'option root-path "/r";', 'option loader-path "http://x/";',
        "option boards 1 10.0.0.1, 2 10.0.0.2;", "option pxe.discovery 8;", 'option pxe.menu "m";',
        "vendor-option-space pxe;", "option vendor-encapsulated-options 06:01:08:ff;",
        "option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, 43, c8);",
        "default-lease-time 600;", "max-lease-time 900;", "min-lease-time 300;", "min-secs 3;", "min-secs 5;",
        "always-broadcast on;", "use-host-decl-names on;", "get-lease-hostnames off;",
        'option tftp-server-name "tftp.example";', 'option bootfile-name "o.0";',
        "server-identifier 10.93.0.2;", "option subnet-mask 255.255.255.0;", "option time-offset -3600;",
        "option broadcast-address 10.93.255.255;", "option log-servers = 0a:5d:00:05;",
        'option domain-search "a.example", "b.example";', "option dhcp-renewal-time 70;",
        "option dhcp-rebinding-time 80;", 'option host-name "told";',
    )),
    data.map(lambda value: f"option root-path = {value};"),
    data.map(lambda value: f"option loader-path = concat({value}, \"!\");"),
    data.map(lambda value: f"filename = concat(\"f-\", binary-to-ascii(16, 8, \"-\", {value}));"),
    data.map(lambda value: f"option pxe.menu = {value};"),
)  # fmt: skip


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(inner, min_size=1, max_size=2).map(" ".join)
    return st.one_of(
        st.tuples(truths, some).map(lambda p: f"if ({p[0]}) {{ {p[1]} }}"),
        st.tuples(truths, some, some).map(lambda p: f"if ({p[0]}) {{ {p[1]} }} else {{ {p[2]} }}"),
        st.tuples(truths, some, truths, some).map(
            lambda p: f"if ({p[0]}) {{ {p[1]} }} elsif ({p[2]}) {{ {p[3]} }}"
        ),
        st.tuples(some, some).map(
            lambda p: f'switch (option user-class) {{ case "iPXE": {p[0]} break; default: {p[1]} }}'
        ),
    )


statements = st.recursive(_PLAIN, _blocks, max_leaves=4)


def _level(most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(statements, max_size=most).map("\n  ".join)


# -- whole files -------------------------------------------------------------------------------


@st.composite
def _classes(draw: st.DrawFn) -> str:
    cisco = 'substring(option vendor-class-identifier, 0, 5) = "Cisco"'
    return "\n".join((
        f'class "loaders" {{ match if {draw(truths)};\n  {draw(_level())} }}',
        f'class "phones" {{ match if {cisco};\n  {draw(_level())} }}',
        f'class "brands" {{ match substring(hardware, 1, 5);\n  {draw(_level(2))} }}',
        f'subclass "brands" 02:00:5e:93:00 {{ {draw(_level(2))} }}',
    ))  # fmt: skip


@st.composite
def _hosts(draw: st.DrawFn) -> str:
    found = []
    for number, mac in enumerate(MACS):
        kind = draw(st.integers(0, 3))
        fixed = f"fixed-address 10.93.2.{number + 1}, 10.94.2.{number + 1};" if kind == 1 else ""
        if kind:
            found.append(f"host m{number} {{ hardware ethernet {mac}; {fixed}\n  {draw(_level(2))} }}")
    group = draw(st.integers(0, len(found)))
    return "\n".join([f"group {{ {draw(_level(2))}", *found[:group], "}", *found[group:]])


_PERMITS = ("", "", "allow known-clients;", "deny known-clients;", 'allow members of "loaders";',
            'deny members of "phones";', 'allow members of "brands"; allow unknown-clients;')  # fmt: skip


@st.composite
def _subnet(draw: st.DrawFn, net: str) -> str:
    pools = []
    for number in range(3, 3 + draw(st.integers(1, 2))):
        permits = draw(st.sampled_from(_PERMITS))
        said = draw(_level(2))
        pools.append(f"pool {{ range {net}.{number}.0 {net}.{number}.255; {permits}\n  {said} }}")
    return "\n".join([f"subnet {net}.0.0 netmask 255.255.0.0 {{", draw(_level()), *pools, "}"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file for a server on 10.93.0.0/16, whose relay agent brings those of 10.94.0.0/16."""
    subnets = [draw(_subnet("10.93")), draw(_subnet("10.94"))]
    if draw(st.booleans()):
        subnets[1] = f"shared-network hall {{\n{draw(_level(2))}\n{subnets[1]}\n}}"
    parts = [draw(_level(4)), draw(_classes()), *subnets, draw(_hosts())]
    return HEAD + "\n".join(parts) + "\n"
