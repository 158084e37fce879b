"""The post-deploy check of a gateway: wait until it is ready, prove what it is, measure its latency.

Runs alone as `python -m smoke`; imports no Pulumi.
"""
