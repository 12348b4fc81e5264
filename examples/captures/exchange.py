"""Make the traffic of the shipped capture: a small DNS and web server, and a client that browses it.

``serve`` and ``browse`` run in two network namespaces (see record.sh) and need only the standard library;
``rewrite`` turns what tcpdump recorded into the shipped file, with ndisim's own reader and writer, so that
nothing about the recording machine is in it.
"""

from __future__ import annotations

import http.client
import random
import socket
import socketserver
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SERVER = "10.77.0.2"
LIMIT_S = 10
A, CNAME, TXT, AAAA = 1, 5, 16, 28
NAME_ERROR = 3

ADDRESSES = {"web.example": SERVER, "files.example": SERVER}
ALIASES = {"www.example": "web.example"}
TEXTS = {"web.example": b"v=note recorded for ndisim"}

PAGES = {
    "/": (
        "text/html",
        b"<!doctype html><title>ndisim</title>" + b"<p>A layer, a queue, a completion.</p>\n" * 60,
    ),
    "/style.css": ("text/css", b"".join(b".layer%d { margin: %dpx }\n" % (i, i) for i in range(300))),
    "/notes.txt": ("text/plain", b"".join(b"%05d accepted, pending, completed\n" % i for i in range(1000))),
    "/tiny": ("text/plain", b"ok\n"),
    "/photo": ("application/octet-stream", random.Random(7).randbytes(100_000)),
}


class Dns(socketserver.BaseRequestHandler):
    """Answer one query from the tables above."""

    def handle(self) -> None:
        """Answer A, AAAA, TXT and aliases; any other name does not exist."""
        query, sock = self.request
        name, kind, question = parse_question(query)
        target = ALIASES.get(name, name)
        answers = [] if target == name else [record(CNAME, encoded(target))]
        owner = b"\xc0\x0c" if target == name else encoded(target)
        if kind == A and target in ADDRESSES:
            answers.append(record(A, socket.inet_aton(ADDRESSES[target]), owner))
        if kind == TXT and target in TEXTS:
            answers.append(record(TXT, bytes([len(TEXTS[target])]) + TEXTS[target], owner))
        status = 0 if target in ADDRESSES else NAME_ERROR
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | status, 1, len(answers), 0, 0)
        sock.sendto(head + question + b"".join(answers), self.client_address)


class Web(BaseHTTPRequestHandler):
    """Serve the pages above over kept connections, without a word about the machine."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ndisim-example", ""

    def do_GET(self) -> None:
        """Send a page, or 404."""
        kind, body = PAGES.get(self.path, ("text/plain", b"no such page\n"))
        self.reply(200 if self.path in PAGES else 404, kind, body)

    def do_POST(self) -> None:
        """Acknowledge a form with its size."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(200, "application/json", b'{"received": %d}\n' % len(body))

    def reply(self, status: int, kind: str, body: bytes) -> None:
        """Send one response."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard output carries only ``ready``."""


def encoded(name: str) -> bytes:
    """Write a name as DNS labels."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    """Make a resource record of class IN with a life of 300 s; `owner` defaults to the question's name."""
    return owner + struct.pack(">HHIH", kind, 1, 300, len(data)) + data


def parse_question(query: bytes) -> tuple[str, int, bytes]:
    """Return name, type and raw bytes of a query's question."""
    end = query.index(b"\0", 12)
    labels, at = [], 12
    while at < end:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), int.from_bytes(query[end + 1 : end + 3], "big"), query[12 : end + 5]


def resolve(sock: socket.socket, number: int, name: str, kind: int) -> str | None:
    """Ask for a name; return the address in the answer's last record when that is what was asked for."""
    question = encoded(name) + struct.pack(">HH", kind, 1)
    sock.sendto(struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question, (SERVER, 53))
    answer = sock.recv(512)
    found = int.from_bytes(answer[6:8], "big")
    return socket.inet_ntoa(answer[-4:]) if kind == A and found else None


def fetch(address: str, host: str, paths: list[str]) -> None:
    """Get pages one after the other over one connection."""
    web = http.client.HTTPConnection(address, 80, timeout=LIMIT_S)
    for path in paths:
        web.request("GET", path, headers={"Host": host, "User-Agent": "ndisim-example", "Accept": "*/*"})
        web.getresponse().read()
    web.close()


def browse() -> None:
    """Look names up, get pages over two connections at a time, miss one, send a form."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(LIMIT_S)
        web = resolve(sock, 0x1001, "www.example", A) or sys.exit("www.example was not resolved")
        resolve(sock, 0x1002, "www.example", AAAA)
        with ThreadPoolExecutor() as pool:
            pages = pool.submit(fetch, web, "www.example", ["/", "/style.css", "/missing", "/tiny"])
            photo = pool.submit(fetch, web, "www.example", ["/photo"])
            pages.result(), photo.result()
        files = resolve(sock, 0x1003, "files.example", A) or sys.exit("files.example was not resolved")
        fetch(files, "files.example", ["/notes.txt", "/tiny"])
        form = http.client.HTTPConnection(files, 80, timeout=LIMIT_S)
        headers = {"Host": "files.example", "User-Agent": "ndisim-example"}
        form.request("POST", "/form", b"field=" + b"x" * 5000, headers)
        form.getresponse().read()
        form.close()
        resolve(sock, 0x1004, "web.example", TXT)
        resolve(sock, 0x1005, "missing.example", A)


def serve() -> None:
    """Serve DNS and HTTP until standard input ends."""
    with socketserver.UDPServer((SERVER, 53), Dns) as dns, ThreadingHTTPServer((SERVER, 80), Web) as web:
        for server in (dns, web):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()
        dns.shutdown()
        web.shutdown()


def rewrite(source: Path, target: Path) -> None:
    """Write the recorded packets to a pcapng file that names no machine, user or program."""
    from nodes.formats.pcapng import PcapngWriter
    from orchestrator.captures import read_capture

    capture = read_capture(source)
    with PcapngWriter(target, interfaces=["client"]) as writer:
        for at, time_ns in enumerate(capture.times_ns.tolist()):
            writer.write_frame(time_ns, capture.frame(at))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["browse"]:
            browse()
        case ["rewrite", source, target]:
            rewrite(Path(source), Path(target))
        case _:
            sys.exit("usage: exchange.py serve | browse | rewrite SOURCE TARGET")
