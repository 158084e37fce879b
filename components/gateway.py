"""A gateway: a guest, and the check that proves it."""

from __future__ import annotations

import pulumi

from components.guest import Guest, GuestArgs
from components.smoke_check import SmokeCheck, SmokeCheckArgs


class Gateway(pulumi.ComponentResource):
    """Complete only when its smoke check has passed. What it takes is what its guest takes."""

    def __init__(self, name: str, args: GuestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("nordgate:gateway:Gateway", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        guest = Guest(name, args, child)
        self.smoke = SmokeCheck(
            name,
            SmokeCheckArgs(args.design.smoke_plan, args.design.fingerprint, guest.uuid, args.check_number),
            child,
        )
        self.url = args.design.url
        self.volumes = [guest.root, guest.seed]
        """Names of what is made anew with the guest."""
        self.proof = self.smoke.check
        """What the next gateway waits for."""
        self.register_outputs({"url": self.url, "smoke": self.smoke.result})
