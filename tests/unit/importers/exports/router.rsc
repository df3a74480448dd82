# 2026-01-05 10:00:00 by RouterOS 7.16
# software id = ABCD-EFGH
/interface vlan
add interface=bridge name=vlan10 vlan-id=10
/ip dhcp-server option
add code=66 name=tftp value="'10.98.0.9'"
add code=43 name=acs value=0x0104C0A80001
add code=60 name=odd value="\$(HOSTNAME)"
/ip pool
add name=office ranges=10.98.0.100-10.98.0.150,10.98.0.160-10.98.0.170
add name=guests ranges=10.98.1.10-10.98.1.20
/ip dhcp-server
add address-pool=office interface=vlan10 lease-script="/log info secret-token-1" lease-time=1d2h \
    name=office
add address-pool=guests disabled=yes interface=vlan20 name=guests
/ip address
add address=10.98.0.1/24 interface=vlan10 network=10.98.0.0
/ip dhcp-server lease
add address=10.98.0.11 comment=camera mac-address=02:98:00:00:00:01 server=office
add address=10.98.0.12 mac-address=02:98:00:00:00:02 block-access=yes server=office
/ip dhcp-server network
add address=10.98.0.0/24 boot-file-name=pxelinux.0 dhcp-option=tftp,acs dns-server=10.98.0.3,10.98.0.4 \
    domain=office.example gateway=10.98.0.1 next-server=10.98.0.9
add address=10.98.1.0/24 gateway=10.98.1.1
/ip firewall filter
add action=accept chain=input
