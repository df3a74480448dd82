"""What an import writes about a source never holds the source's passwords."""

from __future__ import annotations

import base64
import stat

import pytest

from coexist.cli import run

SECRET = "S3CRET"
ENCODED = base64.b64encode(f"password: {SECRET}".encode()).decode()

SOURCES = {
    "kea": """{"Dhcp4": {
      "lease-database": {"type": "mysql", "password": "S3CRETa", "name": "x"},
      "hooks-libraries": [{"library": "/x.so", "parameters": {"secret": "S3CRETc", "auth": "S3CRETd",
        "connect": "http://u:S3CRETe@host/", "tls": {"key": "x", "pwd": "ab\\"S3CRETf"}}}],
      "user-context": {"list": ["a", {"passphrase": "S3CRETg"}]},
      "subnet4": [{"id": 1, "subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.10-10.0.0.20"}],
        "user-context": {"api-key": "S3CRETh", "text": "psk=S3CRETi"}}]}}""",
    "openthinclient": f"""dn: cn=a,ou=clients,o=x
cn: a
macAddress: 52:54:00:00:00:01
userPassword:: UzNDUkVU
sambaNTPassword: S3CRETa
description:: {ENCODED}

dn: nismapname=Directory.Password,ou=RealmConfiguration,o=x
cn: Directory.Password
nismapentry: S3CRETb
 S3CRETc
""",
    "windows-dhcp": """<?xml version="1.0"?>
<DHCPServer xmlns="http://schemas.microsoft.com/windows/dhcp"><IPv4>
<Password>S3CRETa</Password><Failover><Relationship><SharedSecret>S3CRETb</SharedSecret></Relationship></Failover>
<Scopes><Scope><ScopeId>10.0.0.0</ScopeId><Name>n</Name><SubnetMask>255.255.255.0</SubnetMask>
<StartRange>10.0.0.10</StartRange><EndRange>10.0.0.20</EndRange><Description>pwd=S3CRETc</Description></Scope></Scopes>
</IPv4></DHCPServer>""",
    "dnsmasq": """dhcp-range=10.0.0.10,10.0.0.20
dhcp-script=/x --token S3CRETa
auth-zone=http://u:S3CRETb@h
dhcp-luascript=/psk=S3CRETc
""",
    "dhcpd": """key omapi { algorithm hmac-md5; secret "S3CRETa=="; }
ldap-password "S3CRETb";
subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.10 10.0.0.20; }
""",
    "macs": "mac,name,password\n52:54:00:00:00:01,a,S3CRETa\n52:54:00:00:00:02 b token=S3CRETb\n",
}


@pytest.mark.parametrize("kind", SOURCES)
def test_no_password_is_written(kind, tmp_path, capsys):
    source = tmp_path / "source"
    source.write_text(SOURCES[kind])
    code = run(["import", kind, str(source), "-o", str(tmp_path / "site"), "--address", "10.0.0.1"])
    said = capsys.readouterr()
    # dhcpd.conf is refused where a statement is none; of the list, a row yields nothing.
    assert code == {"dhcpd": code, "macs": 1}.get(kind, 0), said.err
    assert SECRET not in said.out + said.err
    for file in tmp_path.glob("site/*"):
        text = file.read_text()
        assert SECRET not in text
        assert "UzNDUkVU" not in text
        assert ENCODED not in text
    if code == 0:
        mode = (tmp_path / "site" / "not-modelled.md").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
