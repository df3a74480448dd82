"""The boot server: ProxyDHCP, TFTP and HTTP on sockets, with a registry of clients seen."""
