"""The registry: the clients boot servers saw, and what administrators decided on them.

One interface (`Registry`), two engines: a SQLite file, which needs no set-up, and PostgreSQL, which any
number of boot servers and consoles share. What a server saw is kept per server and MAC, what was decided
per MAC.
"""
