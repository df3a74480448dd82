"""The network as a picture: VLANs, the servers that stand on them, and where relay agents copy broadcasts.

networkx holds the graph; grandalf lays it out in layers (Sugiyama's method).
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import networkx as nx
from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout

from coexist.inventory.models import Site
from coexist.records import dataclass

_HEIGHT = 40
_LETTER = 7.3
_MARGIN = 24


@dataclass(slots=True)
class _Box:
    """A node's size, and where its middle is laid: what the layout reads and writes."""

    w: float
    h: float
    xy: tuple[float, float] = (0.0, 0.0)


def topology(site: Site) -> nx.DiGraph[str]:
    """VLANs and servers; an edge from a VLAN to each server that hears its broadcasts.

    Nodes have ``kind`` (vlan, server), ``label`` and ``detail``; edges have ``how`` (here, relayed).
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, vlan in site.vlans.items():
        detail = ", ".join(str(subnet) for subnet in vlan.subnet)
        graph.add_node(f"vlan {name}", kind="vlan", label=f"{name} (VLAN {vlan.id})", detail=detail)
    for name, server in site.servers.items():
        roles = ", ".join(sorted(server.effective_roles))
        graph.add_node(f"server {name}", kind="server", label=name, detail=f"{server.software}: {roles}")
        for place in server.stands_on:
            graph.add_edge(f"vlan {place}", f"server {name}", how="here")
    owners = {str(a): name for name, server in site.servers.items() for a in server.stands_on.values()}
    for name, vlan in site.vlans.items():
        for target in vlan.relay_to:
            owner = target if target in site.servers else owners.get(target)
            node = f"address {target}" if owner is None else f"server {owner}"
            if owner is None:
                graph.add_node(node, kind="unknown", label=target, detail="an address that no server has")
            if not graph.has_edge(f"vlan {name}", node):
                graph.add_edge(f"vlan {name}", node, how="relayed")
    return graph


def topology_picture(site: Site) -> str:
    """An SVG of the network, to stand in a page: it takes its colours from the page's style sheet."""
    graph = topology(site)
    boxes, width, height = _laid(graph)
    svg = Element(
        "svg",
        {
            "class": "topology",
            "viewBox": f"0 0 {width:.0f} {height:.0f}",
            "width": f"{width:.0f}",
            "height": f"{height:.0f}",
            "role": "img",
        },
    )
    SubElement(svg, "title").text = "Which servers hear which VLANs: solid here, dashed by a relay agent"
    for start, end, data in graph.edges(data=True):
        (x1, y1), (x2, y2) = boxes[start].xy, boxes[end].xy
        place = {
            "x1": f"{x1:.0f}",
            "y1": f"{y1 + _HEIGHT / 2:.0f}",
            "x2": f"{x2:.0f}",
            "y2": f"{y2 - _HEIGHT / 2:.0f}",
        }
        SubElement(svg, "line", {"class": data["how"], **place})
    for node, data in graph.nodes(data=True):
        _draw(svg, boxes[node], data)
    return ElementTree.tostring(svg, encoding="unicode")


def _draw(svg: Element, box: _Box, data: dict[str, str]) -> None:
    x, y = box.xy
    group = SubElement(svg, "g", {"class": data["kind"]})
    place = {"x": f"{x - box.w / 2:.0f}", "y": f"{y - _HEIGHT / 2:.0f}"}
    round_corners = "6" if data["kind"] == "server" else "18"
    SubElement(group, "rect", {**place, "width": f"{box.w:.0f}", "height": str(_HEIGHT), "rx": round_corners})
    for text, offset, name in ((data["label"], -3, "label"), (data["detail"], 12, "detail")):
        SubElement(group, "text", {"class": name, "x": f"{x:.0f}", "y": f"{y + offset:.0f}"}).text = text


def _laid(graph: nx.DiGraph[str]) -> tuple[dict[str, _Box], float, float]:
    """Each node's box, and the size of the whole; unconnected parts stand side by side."""
    boxes: dict[str, _Box] = {}
    left, height = 0.0, 0.0
    for part in nx.weakly_connected_components(graph):
        vertices = {node: Vertex(node) for node in sorted(part)}
        for node, vertex in vertices.items():
            data = graph.nodes[node]
            letters = max(len(data["label"]), len(data["detail"]))
            vertex.view = boxes[node] = _Box(w=letters * _LETTER + 20, h=_HEIGHT)
        edges = [Edge(vertices[a], vertices[b]) for a, b in graph.edges if a in vertices]
        layout = SugiyamaLayout(Graph(list(vertices.values()), edges).C[0])
        layout.yspace = 3 * _HEIGHT
        layout.init_all(optimize=True)
        layout.draw(8)
        first = min(boxes[n].xy[0] - boxes[n].w / 2 for n in part)
        top = min(boxes[n].xy[1] for n in part) - _HEIGHT / 2
        for node in part:
            x, y = boxes[node].xy
            boxes[node].xy = (x - first + left + _MARGIN, y - top + _MARGIN)
        left = max(boxes[n].xy[0] + boxes[n].w / 2 for n in part)
        height = max(height, *(boxes[n].xy[1] + _HEIGHT / 2 for n in part))
    return boxes, left + _MARGIN, height + _MARGIN
