"""The language of dnsmasq.conf, as ``src/option.c`` of dnsmasq 2.90 reads it."""
