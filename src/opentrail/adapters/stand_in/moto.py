"""moto's server as a child process: an AWS look-alike in memory, for trying Opentrail out.

The child ends when its standard input closes, so it never outlives the process that started it, however that ended.
"""

import subprocess
import sys
import threading

from opentrail.errors import OperatorError

START_SECONDS = 30
STOP_SECONDS = 10


class MotoStandIn:
    """One moto server on a free loopback port."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it and return its URL once it listens. Blocks for a few seconds; raises OperatorError."""
        command = [sys.executable, "-m", "opentrail.adapters.stand_in.moto"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C on the terminal is for the parent, which ends this child in its turn
        )
        assert self._process.stdout is not None
        late = threading.Timer(START_SECONDS, self._process.kill)
        late.start()
        url = self._process.stdout.readline().strip()
        late.cancel()
        if not url:
            raise OperatorError("moto's server did not start; is it installed? pip install 'opentrail[moto]'")
        return url

    def stop(self) -> None:
        """End it; what it held is gone."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _main() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    _main()
