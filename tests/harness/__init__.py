"""Small networks to test in: namespaces, bridges, a relay agent, daemons, captures, clients and firmware.

Everything is root's and lives in network namespaces named after this process; leaving ``Network`` takes
all of it away, a failure included. The modules, from the bottom: ``namespaces``, ``processes``, ``frames``,
``network`` (VLANs, hosts, routers), ``relay``, ``capture``, ``servers`` (daemons), ``client`` (a modelled
PXE client), ``programs`` (boot programs that say their name), ``firmware`` (QEMU), ``site`` (an inventory's
own network).

    with Network() as network:
        network.vlan("office", "10.10.0.0/16")
        server = network.host("otc", {"office": "10.10.0.6"})
        serve(server, rendered / "otc" / "coexist.yaml")
        boot = start_firmware(network, "office", firmware="ipxe", mac="00:80:64:10:00:01")
"""
