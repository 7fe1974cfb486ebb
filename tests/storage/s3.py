"""An S3 server (moto) on a port of its own, which goes away and comes back with all that it has.

Says `{"port": …}`, then one line of JSON for each request; commands come on standard input:
`bucket NAME`, `objects NAME`, `uploads NAME`, `away`, `back`; `refuse N` answers 503 to part N of every upload, `hold N` says
`{"held": N}` and answers when it is told `allow`, which ends both.
"""

import json
import sys
import threading

from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code="-", size="-"):
        say({"method": self.command, "path": self.path, "status": int(code)})


class Gate:
    """What becomes of one part of each upload."""

    def __init__(self):
        self.part = None
        self.open = threading.Event()

    def refuse(self, part):
        self.open.set()
        self.part = part

    def hold(self, part):
        self.open.clear()
        self.part = part

    def allow(self):
        self.part = None
        self.open.set()

    def __call__(self, environ, start_response):
        query = environ.get("QUERY_STRING", "").split("&")
        if self.part is None or f"partNumber={self.part}" not in query:
            return app(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if not self.open.is_set():
            say({"held": self.part})
        self.open.wait()
        start_response("503 Service Unavailable", [("Content-Length", "0")])
        return [b""]


def say(what):
    # In one write: print() adds the end of the line in another, and several threads say something.
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def serve(port):
    server = make_server("127.0.0.1", port, gate, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


app = DomainDispatcherApplication(create_backend_app)
gate = Gate()
server = serve(0)
port = server.server_port
say({"port": port})
backend = s3_backends[ACCOUNT]["aws"]
for line in sys.stdin:
    command, _, name = line.strip().partition(" ")
    if command == "bucket":
        backend.create_bucket(name, "us-east-1")
    elif command == "objects":
        keys = backend.buckets[name].keys
        say({"objects": [[key, keys[key].size, keys[key].metadata.get("Content-Type")] for key in keys]})
    elif command == "uploads":
        begun = backend.list_multipart_uploads(name).values()
        say({"uploads": [one.key_name for one in begun]})
    elif command == "refuse":
        gate.refuse(name)
    elif command == "hold":
        gate.hold(name)
    elif command == "allow":
        gate.allow()
    elif command == "away":
        server.shutdown()
        server.server_close()
    elif command == "back":
        server = serve(port)
    say({"done": line.strip()})
