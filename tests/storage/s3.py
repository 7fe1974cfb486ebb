"""An S3 server (moto) on a port of its own, which goes away and comes back with all that it has.

Says `{"port": …}`, then one line of JSON for each request; commands come on standard input:
`bucket NAME`, `objects NAME`, `away`, `back`.
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


def say(what):
    print(json.dumps(what), flush=True)


def serve(port):
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


app = DomainDispatcherApplication(create_backend_app)
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
    elif command == "away":
        server.shutdown()
        server.server_close()
    elif command == "back":
        server = serve(port)
    say({"done": line.strip()})
