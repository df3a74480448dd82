"""What runs after the first file: boot loaders, which server each asks, and for which files in which order.

A model is a pure function: from what the firmware leaves behind (the packets it cached, the server and the
file it loaded) to the requests the loader makes. Each module is one family and names its source.
"""
