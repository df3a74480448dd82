"""How two DHCP servers share a scope: who answers whom, and when one takes over."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from coexist.inventory.values import WHOLE, Declared

FailoverMode = Literal["load-balancing", "hot-standby", "passive-backup"]
EVEN = 50
BUCKETS = 256
"""RFC 3074: a client falls into one of so many by its hash."""


class Failover(Declared):
    """Failover between the two servers of a scope; the first that ``server`` names is the primary.

    ``load-balancing``: each answers its part of the clients. ``hot-standby``: the first answers all, the
    second takes over when the first is down. ``passive-backup`` (Kea): the first answers all, the second
    only keeps a copy of the leases. ``percent`` of the clients are the first server's, or exactly ``split``
    of 256 parts. ``max_seconds`` (dhcpd): a client whose ``secs`` are larger is answered by both.
    ``reserve_percent`` (Windows): of the addresses are the standby server's. ``mclt``: the maximum client
    lead time. ``max_response_delay``: a partner that is silent for so long is not reachable.
    ``max_ack_delay`` and ``max_unacked_clients`` (Kea): a partner that is not reachable is down when more
    than so many clients have waited longer than that. ``max_unacked_updates`` (dhcpd): messages sent before
    an answer must come. ``port``: where the servers listen for each other. Times are seconds.
    """

    mode: FailoverMode = "load-balancing"
    percent: Annotated[int, Field(ge=0, le=100), WHOLE] = EVEN
    split: Annotated[int, Field(ge=0, le=BUCKETS), WHOLE] | None = None
    max_seconds: Annotated[int, Field(ge=0, le=255), WHOLE] = 3
    reserve_percent: Annotated[int, Field(ge=0, le=100), WHOLE] = 5
    mclt: Annotated[int, Field(ge=60, le=86400), WHOLE] = 3600
    max_response_delay: Annotated[int, Field(ge=1, le=65535), WHOLE] = 60
    max_ack_delay: Annotated[int, Field(ge=0, le=65), WHOLE] = 10
    max_unacked_clients: Annotated[int, Field(ge=0), WHOLE] = 10
    max_unacked_updates: Annotated[int, Field(ge=1), WHOLE] = 10
    port: Annotated[int, Field(ge=1, le=65535), WHOLE] | None = None

    @model_validator(mode="after")
    def _one_way_to_share(self) -> Self:
        said = self.model_fields_set
        if "split" in said and "percent" in said:
            raise ValueError("`split` and `percent` both say how clients are shared; keep one of them")
        shares = next((word for word in ("split", "percent") if word in said), None)
        if self.mode != "load-balancing" and shares is not None:
            raise ValueError(f"`{shares}` goes with `mode: load-balancing`; remove one, or write the other")
        if self.mode != "hot-standby" and "reserve_percent" in said:
            raise ValueError("`reserve_percent` goes with `mode: hot-standby`; remove it, or write the mode")
        return self

    @property
    def buckets(self) -> int:
        """How many of the 256 parts of all clients are the first server's."""
        if self.mode != "load-balancing":
            return BUCKETS
        return self.percent * BUCKETS // 100 if self.split is None else self.split
