"""The console: pages and an interface for programs on top of the use cases in ``app``.

It holds no decision: what is shown and done is a function of ``app``. Every text from the network or from a
file is escaped by the templates; the one script is served beside the pages and stands in none of them.
"""
