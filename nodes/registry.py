"""Names of the stock drivers and where their classes live.

The table holds text only, so that listing drivers imports none of them.
"""

from __future__ import annotations

STOCK_DRIVERS: dict[str, str] = {
    "traffic": "nodes.stock.traffic:Traffic",
    "pcap-replay": "nodes.stock.pcap_replay:PcapReplay",
    "receiver": "nodes.stock.receiver:Receiver",
    "mux": "nodes.stock.mux:Mux",
    "miniport": "nodes.stock.miniport:StockMiniport",
    "loopback": "nodes.stock.loopback:Loopback",
    "tracer": "nodes.stock.tracer:Tracer",
    "pass-through": "nodes.stock.pass_through:PassThrough",
    "oid-storm": "nodes.stock.oid_storm:OidStorm",
    "ndiswan": "nodes.stock.ndiswan:NdisWan",
    "wan-miniport": "nodes.stock.wan_miniport:StockWanMiniport",
}
