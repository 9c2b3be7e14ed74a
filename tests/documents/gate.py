"""README's proxy configuration, with the real nginx: a project key passes, an organization key and no key do not."""

import http.server
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request

from pages import Block
from world import World, free_address

START_TIMEOUT_S = 30
# README has two locations; the rest of a configuration that needs no file of the machine's.
WHOLE = """daemon off; pid pid; error_log stderr;
events {{}}
http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi; scgi_temp_path scgi;
server {{ listen {address};
{locations}
}} }}
"""


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


def status(address: str, key: str | None) -> int | None:
    """The status of a request through the proxy, or nothing where nobody listens yet."""
    request = urllib.request.Request(f"http://{address}/", headers={"X-API-Key": key} if key else {})
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return None


def check_gate(world: World, block: Block) -> None:
    project_key = world.values["confident_proj_…"]
    app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    locations = world.resolve(block.text).replace("127.0.0.1:3000", f"127.0.0.1:{app.server_port}")
    address = free_address()
    folder = world.folder / "nginx"
    folder.mkdir()
    (folder / "conf").write_text(WHOLE.format(address=address, locations=locations))
    path = f"{os.environ['PATH']}:/usr/sbin"
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", "conf"]
    nginx = subprocess.Popen(command, env=os.environ | {"PATH": path}, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while (refused := status(address, None)) is None:
            assert nginx.poll() is None and time.monotonic() < deadline, f"nginx does not start:\n{nginx.stderr.read()}"
            time.sleep(0.02)
        assert refused == 401, f"a request without a key is answered with {refused}"
        for key, expected in [(project_key, 200), (world.key, 403), (project_key[:-6] + "000000", 401)]:
            actual = status(address, key)
            assert actual == expected, f"{key[:15]}… is answered with {actual} and not {expected}"
    finally:
        # It ends its workers when it is asked to end.
        nginx.terminate()
        nginx.wait()
        app.shutdown()
