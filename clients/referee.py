"""Tells the clients' programs what they cannot see: whether a call they left really ended behind the gateway."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE_S = 20


class Referee:
    """Answers `/begin`, `/speaking` and `/ended` for one target, on a port of its own."""

    def __init__(self, target):
        self.target = target
        self.before = None

    def __enter__(self):
        referee = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                verdict = getattr(referee, self.path.strip("/"))()
                body = json.dumps(dict(zip(("is_so", "why"), verdict))).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def begin(self):
        """Notes how things stand before the call."""
        self.before = self.target.counts() if hasattr(self.target, "counts") else None
        return True, ""

    def speaking(self):
        """Waits until the call is under way: the vendor was asked, or the engine's only slot is taken."""
        if self.before:
            is_so = self.within(lambda: self.target.counts()["asked"] > self.before["asked"])
        else:
            is_so = self.within(lambda: not self.target.is_answered_within(1))
        time.sleep(0.5)
        return is_so, "no call arrived"

    def ended(self):
        """Returns whether the call ended where it is answered: the vendor saw it, or the engine's slot is free."""
        if self.before:
            is_so = self.within(lambda: self.target.counts()["left"] > self.before["left"])
            return is_so, "the vendor's stream goes on although the client has left"
        return self.target.is_answered_within(PATIENCE_S), "the engine's slot stays taken although the client has left"

    def within(self, claim):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if claim():
                return True
            time.sleep(0.05)
        return False
