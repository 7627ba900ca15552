"""A small HTTP server in place of vLLM's: it answers /health after a moment, or does not.

`--die` ends at once, `--mute` never answers, `--stubborn` does not listen to SIGTERM,
`--child` starts a process of its own that does not either.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Health(BaseHTTPRequestHandler):
    """Is well, and knows nothing else."""

    def do_GET(self) -> None:
        """Answer 200 at /health."""
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()


def main() -> int:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--after", type=float, default=0.0)
    for name in ("die", "mute", "stubborn", "child"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    say(f"pid={os.getpid()}")
    say(f"devices={os.environ.get('CUDA_VISIBLE_DEVICES')}")
    say(f"allocator={os.environ.get('PYTORCH_CUDA_ALLOC_CONF')}")
    say(f"safe_path={sys.flags.safe_path}")
    if asked.die:
        say("ValueError: the model does not fit")
        return 3
    if asked.stubborn or asked.child:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if asked.child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        say(f"child={child.pid}")
    if asked.mute:
        time.sleep(600)
    time.sleep(asked.after)
    HTTPServer(("127.0.0.1", asked.port), Health).serve_forever()
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
