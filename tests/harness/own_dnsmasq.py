"""Random dnsmasq.conf files with what the words of an inventory cannot say.

Tags of every origin, hosts that are ignored or known by tags, options by tag and inside others, boot files
and menus by tag, ranges that set and ask for tags, static ones and a proxy, several on one wire.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

HEAD = "# stands on 10.93.0.2/16, relay 10.94.0.1, relay 10.97.0.1\nno-ping\nleasefile-ro\n"
MACS = ("02:00:5e:93:00:01", "02:00:5e:93:00:02", "02:00:5e:93:00:03", "02:00:5e:93:00:04")
_TAGS = ("red", "blue", "efi", "bios", "ipxe", "hall", "host")

_tag = st.sampled_from(_TAGS)
_asked = st.one_of(
    _tag,
    _tag.map(lambda name: f"!{name}"),
    st.sampled_from(("known", "!known", "known-othernet", "eth0", "nobody")),
)


def _line(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda found: "".join(map(str, found)))


def _of(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(texts)


def _by_tags(most: int = 2) -> st.SearchStrategy[str]:
    """``tag:x,tag:!y,``; often nothing."""
    listed = st.lists(_asked, max_size=most).map(lambda tags: "".join(f"tag:{tag}," for tag in tags))
    return st.one_of(st.just(""), listed)


# -- what sets tags ----------------------------------------------------------------------------

_MATCHED = (
    "option:client-arch,7", "option:client-arch,0", "option:client-arch,9", "93", "93,00:07", "93,6,7",
    "175", "175,19", "175,01:01", "175,b1:05:*:80", "60,PXEClient", "60,MSFT 5.0", "option:user-class,iPXE",
    "77,69:50", "97,00:01:02:*:04", "94", "option:hostname,desk-7", "12", "57,1260", "55", "82",
    "option:vendor-class,Client:Arch:00007", "43", "vi-encap:9,x",
)  # fmt: skip
_SETTING = st.one_of(
    _line(st.just("dhcp-match=set:"), _tag, st.just(","), _of(*_MATCHED)),
    _line(
        st.just("dhcp-vendorclass=set:"), _tag,
        _of(",PXEClient", ",PXEClient:Arch:00007", ",MSFT", ",IP Phone", ",00007"),
    ),
    _line(st.just("dhcp-userclass="), _of("set:", "", "net:"), _tag, _of(",iPXE", ",gPXE", ",i")),
    _line(
        st.just("dhcp-mac=set:"), _tag,
        _of(",02:00:5e:93:*:*", ",*:*:*:*:*:01", ",02:00:5e:93:00:02", ",01-02:00:5e:*:*:*",
            ",06-02:00:5e:*:*:*"),
    ),
    _line(st.just("dhcp-circuitid=set:"), _tag, _of(",00:0a:0b:0c", ",00:0a", ",circuit")),
    _line(st.just("dhcp-remoteid=set:"), _tag, _of(",52:54:00:aa:00:01", ",52:54")),
    _line(st.just("dhcp-subscrid=set:"), _tag, st.just(",someone")),
    _line(st.just("dhcp-name-match=set:"), _tag, _of(",desk-7", ",desk*", ",pc*")),
    _line(
        st.just("tag-if=set:"), _tag,
        st.lists(_asked, max_size=2).map(lambda tags: "".join(f",tag:{tag}" for tag in tags)),
    ),
    _line(st.just("tag-if=set:"), _tag, _of(",tag:b*", ",tag:!e*", ",set:red,tag:efi")),
)  # fmt: skip

# -- machines ----------------------------------------------------------------------------------


@st.composite
def _hosts(draw: st.DrawFn) -> list[str]:
    found: list[str] = []
    named = [*MACS, "02:00:5e:93:*:*", f"id:01:{MACS[0]}", f"{MACS[1]},{MACS[2]}", MACS[3]]
    # Of a client that is known on another wire, and here by its name, dnsmasq 2.90 makes a ring of tags that
    # it goes round for ever (``dhcp_reply``): with a line for a name no machine has an address.
    by_name = draw(st.booleans())
    for number, who in enumerate([*named, "named"] if by_name else named):
        if draw(st.booleans()):
            continue
        parts = [] if who == "named" else [who]
        parts += [f"set:{tag}" for tag in draw(st.lists(_tag, max_size=2))]
        parts += [f"tag:{tag}" for tag in draw(st.one_of(st.just([]), st.lists(_asked, max_size=1)))]
        kind = draw(st.integers(0, 4))
        if kind == 1 and not by_name:
            parts.append(f"10.{draw(st.sampled_from((93, 94)))}.{draw(st.sampled_from((2, 3)))}.{number + 1}")
        if draw(st.booleans()) or who == "named":
            parts.append("desk-7" if who == "named" else f"m{number}")
        if kind == 2:
            parts.append(draw(_of("20m", "infinite", "1h", "300")))
        if kind == 3:
            parts.append("ignore")
        found.append("dhcp-host=" + ",".join(parts))
    return found


_REFUSING = st.lists(_asked, min_size=1, max_size=2).map(
    lambda tags: "dhcp-ignore=" + ",".join(f"tag:{tag}" for tag in tags)
)

# -- what is told ------------------------------------------------------------------------------

_VALUES = (
    "option:router,10.93.0.1", "option:router", "3,0.0.0.0", "6", "option:dns-server,10.93.0.3,10.93.0.4",
    "option:ntp-server,0.0.0.0", "15,campus.example", "option:domain-search,a.example,b.example",
    "12,told", "option:netmask,255.255.255.0", "28,10.93.255.255", "option:root-path,/r", "17,x y",
    "option:tftp-server,tftp.example", "66,10.93.0.9", "option:bootfile-name,o.0", "67", "150,10.93.0.9",
    "option:classless-static-route,10.0.0.0/8,10.93.0.1", "43,06:01:08:ff", "60,PXEClient", "60,HTTPClient",
    "58,70", "59,80", "T1,90", "option:T2,100", "255,10.93.0.77", "200,text", "200,7", "200,01:02",
    "200,1.2.3.4", "201,70000", "202", "26,1400", "option:mtu,9000", "23,64", "224,a,b", "97,00:01", "51,600",
    "54,10.93.0.3",
)  # fmt: skip
_INSIDE = (
    "vendor:PXEClient,6,8b", "vendor:PXEClient,10,00:50", "vendor:PXEClient,9,menu", "vendor:MSFT,2,1i",
    "vendor:Client,1,0.0.0.0", "encap:175,176,1b", "encap:175,190,user", "encap:43,9,x", "encap:61,1,x",
    "vi-encap:9,3,text", "vi-encap:9,5,10.0.0.1", "vi-encap:2,3,7", "vendor:,7,any",
)  # fmt: skip
_OPTION = st.one_of(
    _line(_of("dhcp-option=", "dhcp-option-force="), _by_tags(), _of(*_VALUES)),
    _line(_of("dhcp-option=", "dhcp-option=", "dhcp-option-force="), _by_tags(1), _of(*_INSIDE)),
)
_BOOT = st.one_of(
    _line(st.just("dhcp-boot="), _by_tags(), _of("pxelinux.0", "x/y.efi", "")),
    _line(
        st.just("dhcp-boot="), _by_tags(),
        _of("pxelinux.0,boots", "a,b,10.93.0.9", "a,,10.93.0.8", ",,10.93.0.7", "a,,boots.example"),
    ),
)  # fmt: skip
_MENU = st.one_of(
    _line(
        st.just("pxe-service="), _by_tags(1),
        _of("x86PC", "X86-64_EFI", "BC_EFI", "IA32_EFI", "ARM64_EFI", "0", "7"), st.just(","),
        _of('"Boot",one', '"Boot",two.efi', '"Local"', '"Local",0', '"Other",5', '"Other",5,10.93.0.9',
            '"Far",three,10.93.0.8', '"Far",four,boots.example'),
    ),
    _line(st.just("pxe-prompt="), _by_tags(1), _of('"Press F8"', '"Press F8",0', '"Wait",5')),
)  # fmt: skip
_OTHER = st.one_of(
    _line(st.just("dhcp-broadcast"), st.one_of(st.just(""), _asked.map(lambda tag: f"=tag:{tag}"))),
    _line(
        _of("dhcp-generate-names", "dhcp-ignore-names"),
        st.one_of(st.just(""), _asked.map(lambda tag: f"=tag:{tag}")),
    ),
    _of("domain=campus.example", "domain=ten.example,10.94.0.0/16", "domain=far.example,10.93.3.0,10.93.3.9"),
    _of("dhcp-pxe-vendor=HTTPClient", "dhcp-pxe-vendor=PXEClient,HTTPClient", "dhcp-proxy",
        "dhcp-proxy=10.94.0.1", "shared-network=10.94.0.1,10.95.0.1", "shared-network=eth0,10.95.0.1",
        "shared-network=10.93.0.2,10.97.0.1"),
)  # fmt: skip
_ONCE = (
    "dhcp-authoritative", "dhcp-no-override", "dhcp-sequential-ip", "dhcp-ignore-clid", "dhcp-client-update",
    "dhcp-rapid-commit", "port=0", "dhcp-reply-delay=tag:nobody,2", "expand-hosts", "bootp-dynamic",
    "enable-tftp",
)  # fmt: skip

# -- whole files -------------------------------------------------------------------------------


@st.composite
def _ranges(draw: st.DrawFn) -> list[str]:
    found: list[str] = []
    for net in ("10.93", "10.93", "10.94", "10.94", "10.95", "10.97"):
        if net != "10.93" and not draw(st.integers(0, 3)):
            continue
        third = 3 + len(found)
        head = draw(st.sampled_from(("", "", "set:red,", "set:hall,", "blue,")))
        head += draw(st.one_of(st.just(""), _by_tags(1)))
        mode = draw(st.integers(0, 7))
        if mode == 0:
            found.append(f"dhcp-range={head}{net}.0.0,static,255.255.0.0")
        elif mode == 1 and net == "10.93":
            found.append(f"dhcp-range={head}{net}.0.0,proxy,255.255.0.0")
        else:
            mask = draw(_of("", ",255.255.0.0", ",255.255.0.0", ",255.255.0.0,10.93.99.99"))
            mask = mask or ("" if net == "10.93" else ",255.255.0.0")
            time = draw(_of("", ",600", ",20m", ",infinite", ",90s"))
            found.append(
                f"dhcp-range={head}{net}.{third}.0,{net}.{third}.{draw(_of('9', '255'))}{mask}{time}"
            )
    return found


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file for a server on 10.93.0.0/16, with ranges for two relay agents."""

    def some(lines: st.SearchStrategy[str], most: int) -> list[str]:
        return draw(st.lists(lines, max_size=most))

    made: list[Callable[[], list[str]]] = [
        lambda: draw(_ranges()),
        lambda: some(_SETTING, 8),
        lambda: draw(_hosts()),
        lambda: some(_REFUSING, 1),
        lambda: some(_OPTION, 9),
        lambda: some(_BOOT, 3),
        lambda: some(_MENU, 4) if draw(st.booleans()) else [],
        lambda: some(_OTHER, 3),
        lambda: draw(st.lists(_of(*_ONCE), max_size=3, unique=True)),
    ]
    order = draw(st.permutations(range(len(made))))
    return HEAD + "\n".join(line for number in order for line in made[number]()) + "\n"
