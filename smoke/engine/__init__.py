"""The load generator: a process of its own, so that nothing else that the check does delays a send.

Standard library, h11 and h2 only, all of it plain Python: it also runs on a host that has no more than `python3`.
"""
