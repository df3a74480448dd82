from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.rollout.drift import diff
from coexist.text.redaction import holds_secret, redacted

SECRET = "c2VjcmV0LWtleQ"

SPELLINGS = [
    # dhcpd and BIND
    f'key omapi {{ algorithm hmac-md5; secret "{SECRET}"; }}',
    f"secret {SECRET};",
    f"secret\n  {SECRET};",
    f'secret\n  "{SECRET}";',
    f'ldap-password "{SECRET}";',
    # JSON, with escapes, on several lines, inside a string, in a list
    f'"password": "{SECRET}",',
    f'"password":"ab\\"{SECRET}", "name": "x"',
    f'"password"\n  : "{SECRET}"',
    f'"password":\n  "{SECRET}"',
    f'"auth": "{SECRET}"',
    f'"basic-auth-password" : "{SECRET}"',
    f'"text": "{{\\"password\\": \\"{SECRET}\\"}}"',
    f'"passwords": ["a", "{SECRET}"]',
    f'"secret": {{"value": "{SECRET}"}}',
    f'"user-password": "{SECRET}',
    f'{{"name": "db-password", "value": "{SECRET}"}}',
    f'{{"name": "secret",\n  "data" : "{SECRET}"}}',
    # YAML
    f"password: {SECRET}",
    f"password: a b, {SECRET}",
    f"password: |\n  line\n  {SECRET}\nname: x",
    f"password: >-\n    {SECRET}\n",
    f"password:\n  {SECRET}",
    f"passwords:\n- a\n- {SECRET}\n",
    f"- password: |\n    {SECRET}\n",
    f"password: !!str {SECRET}",
    f"password: 'it''s {SECRET}'",
    f'password: "two\n  {SECRET}"',
    f"{{user: a, password: {SECRET}}}",
    f"api_key: {SECRET}",
    # properties, shell, systemd, hostapd, dnsmasq
    f"password={SECRET}",
    f"password = two words {SECRET}",
    f"password=a;b{SECRET}",
    f"psk={SECRET}",
    f'wpa_psk="{SECRET}"',
    f"pwd={SECRET}",
    f"DB_PASS={SECRET}",
    f"export PGPASSWORD={SECRET}",
    f"password=ab\\\n{SECRET}",
    f"token = '{SECRET}'",
    f"snmp-community {SECRET}",
    f"kernel inst.vncpassword={SECRET} quiet",
    f"Kennwort: {SECRET}",
    # LDAP
    f"rootpw {{SSHA}}{SECRET}",
    f"bindpw {SECRET}",
    f"userPassword:: {SECRET}",
    f"userPassword: ab\n {SECRET}",
    f"userPassword:< {SECRET}",
    f"sambaNTPassword: {SECRET}",
    f"krbPrincipalKey:: {SECRET}",
    # XML and PowerShell
    f"<Password>{SECRET}</Password>",
    f"<a:SharedSecret>\n{SECRET}</a:SharedSecret>",
    f'<Password plain="no">{SECRET}</Password>',
    f'<add key="Password" value="{SECRET}"/>',
    f'<property name="secret">{SECRET}</property>',
    f'Set-It -Password (ConvertTo-SecureString "{SECRET}" -AsPlainText)',
    # addresses, headers, keys
    f"url: http://admin:{SECRET}@host/x",
    f"url: http://admin:p@{SECRET}@host/x",
    f"Authorization: Basic {SECRET}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n",
    # comments between a name and its value
    f'key ddns {{ algorithm hmac-md5; secret /* old */ "{SECRET}"; }}',
    f'key ddns {{ secret # comment\n "{SECRET}"; }}',
    f'"password" /* c */ : "{SECRET}"',
    f'"password": // c\n "{SECRET}"',
    # the value before the name, on more lines, as an argument
    f'<property value="{SECRET}" name="password"/>',
    f'{{"value": "{SECRET}", "name": "db-password"}}',
    f'<password\n type="x">{SECRET}</password>',
    f"<property><name>sharedSecret</name>\n<value>{SECRET}</value></property>",
    f'execute("/bin/x", "--password", "{SECRET}");',
    f'"password","{SECRET}"',
    f'site.password("{SECRET}")',
    f'config["password"] = "{SECRET}"',
    f"secret[0]={SECRET}",
    f"PASSWORD+={SECRET}",
    f"password\u00a0{SECRET}",
    # what it is stands in itself
    f"userPassword: {{SSHA}}{SECRET}",
    f"{{SHA512}}{SECRET}",
    f"root:$6$salt${SECRET}:19000:0",
    f"x=$argon2id$v=19$m=65536$c2FsdA${SECRET}",
    f"userPassword;lang-de: {SECRET}",
    # names
    f"<ProductKey>{SECRET}</ProductKey>",
    f"ipaNTHash:: {SECRET}",
    f"SMB_CREDS=user%{SECRET}",
    f"Cookie: session={SECRET}",
    f'ConvertTo-SecureString -String "{SECRET}" -AsPlainText -Force',
    f"otp: {SECRET}",
    f"mot-de-passe: {SECRET}",
    f"contraseña: {SECRET}",
    f"Zugangsdaten: {SECRET}",
    # addresses in other clothes
    f"http://u:pa/ss{SECRET}@h/",
    f"http:\\/\\/u:{SECRET}@h",
    f"next=http%3A%2F%2Fu%3A{SECRET}%40h",
    # forms, wherever they stand
    f"https://acct.blob.example/c?sv=2020&sig={SECRET}",
    f"chain http://h/boot.ipxe?p={SECRET}&user=a",
    f"https://h/x?X-Amz-Signature={SECRET}",
    f"http://h/;jsessionid={SECRET}",
    f"https://x4f9{SECRET}0000@git.example/x.git",
    f"iscsi:user:{SECRET}@10.0.0.5::3260:1:iqn.2001",
    f"nsupdate -y hmac-sha256:ddns:{SECRET}==",
    f"dig -y ddns:{SECRET}",
    f"# hmac-md5:{SECRET}",
    f"Proxy: Bearer x1{SECRET}",
    f"token is eyJhbGciOiJIUzI1NiJ9.{SECRET}.{SECRET}",
    f"glpat-{SECRET}xx",
    f"grub.pbkdf2.sha512.10000.{SECRET}",
    f"dhcp-option=encap:175,191,{SECRET}",
    # arguments of commands, in comments and scripts
    f"# curl -s -u admin:{SECRET} http://h/",
    f"sshpass -p '{SECRET}' ssh h",
    f"ldapsearch -x -D cn=a -w {SECRET}",
    f"snmpwalk -v2c -c {SECRET} h",
    f"snmpget -v3 -u a -A {SECRET} -X {SECRET} h",
    f"smbclient -U user%{SECRET} //h/s",
    f"net use z: \\\\h\\s {SECRET} /user:u",
    f"ipmitool -H h -U a -P {SECRET} chassis status",
    f"mysql -u root -p{SECRET} db",
    f"redis-cli -a {SECRET}",
    f"echo {SECRET} | sudo -S reboot",
    f"com2sec local default {SECRET}",
    f"createUser u SHA {SECRET} AES {SECRET}",
    # names in other languages, and of other products
    f"# wachtwoord={SECRET}",
    f"# has\u0142o: {SECRET}",
    f"# \u043f\u0430\u0440\u043e\u043b\u044c: {SECRET}",
    f"# \u5bc6\u7801: {SECRET}",
    f"# \u30d1\u30b9\u30ef\u30fc\u30c9: {SECRET}",
    f"# l\u00f6senord {SECRET}",
    f"# WLAN-Schl\u00fcssel: {SECRET}",
    f"senha: {SECRET}",
    f"<keyMaterial>{SECRET}</keyMaterial>",
    f"<prv>{SECRET}</prv>",
    f"<bcrypt-hash>{SECRET}</bcrypt-hash>",
    f"userPKCS12:: {SECRET}",
    f"d-i netcfg/wireless_wep string {SECRET}",
    f"rd.luks.key={SECRET}",
    f"activationkey={SECRET}",
    f"<value>{SECRET}</value><name>db-password</name>",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{SECRET}\n-----END PGP PRIVATE KEY BLOCK-----",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_secret_is_neither_shown_nor_kept(text):
    assert SECRET not in redacted(text)
    assert holds_secret(text.encode())
    assert redacted(text).count("\n") == text.count("\n")
    assert redacted(redacted(text)) == redacted(text)
    assert SECRET not in diff(text.encode(), b"new\n", "a", "b")
    assert SECRET not in diff(b"old\n", text.encode(), "a", "b")


@pytest.mark.parametrize(("one", "other"), [*itertools.pairwise(SPELLINGS)])
def test_one_secret_does_not_cover_another(one, other):
    assert SECRET not in redacted(f"{one}\n{other}\n")


@pytest.mark.parametrize(
    "text",
    [
        "subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.10 10.0.0.20; }",
        "authoritative;\nkey omapi { algorithm hmac-md5; }",
        "dhcp-host=00:80:64:10:00:02,set:in-moved",
        'option bootfile-name "syslinux64.efi\\000";',
        "rules: [{name: main, clients: {everyone: true}}]",
        "<Name>a</Name>\n</Password>\n<Name>b</Name>",
        "http://server/path?at=home",
        "http://server:8080/a@b",
        "http://[2001:db8::1]/a@b",
        "option vendor-class {PXE}Client",
        "$1 and ${name}$ are no hashes",
        "# secret",
        "Basic configuration of this site",
        "http://server/menu.ipxe?mac=${net0/mac}&arch=x64",
        "# snmp is off here",
        "option log-servers 10.0.0.5; # curl it",
        "net use it",
        "https://user@server/x",
        "dhcp-option=encap:175,190,user",
        "password",
    ],
)
def test_ordinary_configuration_is_left_alone(text):
    assert redacted(text) == text
    assert not holds_secret(text.encode())


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("password: x\nname: y", "name: y"),
        ("password: |\n  x\nname: y", "name: y"),
        ('{"password": "x", "name": "y"}', '"name": "y"}'),
        ("secret x; algorithm y;", "; algorithm y;"),
        ("<Password>x</Password><Name>y</Name>", "</Password><Name>y</Name>"),
    ],
)
def test_what_follows_is_shown(text, rest):
    assert redacted(text).endswith(rest)


@given(
    st.text() | st.lists(st.sampled_from([*'"\\\n \t:=|>-{}[];<x', "secret", "password", "://"])).map("".join)
)
def test_hiding_twice_is_hiding_once_and_lines_stay(text):
    assert redacted(text).count("\n") == text.count("\n")
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "piece",
    [
        "secret ",
        '"secret"',
        " ",
        "\n",
        "secret=\n",
        "secret\n",
        "token>",
        "a",
        "://",
        "-----BEGIN ",
        "secret,",
        "</",
        "secret/*",
        "secret#\n",
        "secret;a",
        "http://u:/",
        '"name":"secret"',
        'value="secret"',
        "{SSHA}",
        "?sig=",
        "curl -u a ",
        "com2sec a ",
        "<value>x",
        "hmac-md5:",
        "eyJaaaaaaaa.",
        "iscsi:a:",
        "$6$",
    ],
)
def test_the_work_grows_with_the_text_alone(piece):
    """A million octets of it: whatever looks at the rest of the text for each word would take hours."""
    redacted('"secret"' + piece * (1_000_000 // len(piece)))


def test_a_diff_does_not_talk_to_the_terminal():
    assert "\x1b" not in diff(b"old\n", b"\x1b[2Jnew\n", "a", "b")
    assert diff(b"\0binary", b"text", "a", "b").endswith("binary files differ\n")
