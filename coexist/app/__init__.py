"""The use cases: each a function with a typed result, which terminal and browser share.

Decisions live here (what is selected, refused, compared, recorded); how a result is shown lives in
``report``, ``cli`` and ``console``.
"""
