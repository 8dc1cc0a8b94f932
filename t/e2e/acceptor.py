"""A listening socket with a thread for each connection: what scripted servers have in common."""

import socket
import threading

from harness import SCALE


class Acceptor:
    """Calls `serve(connection)` of the class that derives from it, on a thread of its own;
    `accepted` is called before that, with the lock, one connection at a time.
    `host`: an address of either family; `path`: a Unix socket in place of the port."""

    def __init__(self, test, port, host="127.0.0.1", path=None):
        self.port = port
        self.lock = threading.Lock()
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server(str(path) if path else (host, port), backlog=100, family=family)
        threading.Thread(target=self._accept, daemon=True).start()
        test.addCleanup(self.stop)

    def accepted(self, connection):
        """What `serve` is called with beside the connection, as a tuple."""
        return ()

    def stop(self):
        # close() does not wake accept() in another thread, shutdown() does.
        hang_up(self.socket)
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.settimeout(120 * SCALE)
            with self.lock:
                more = self.accepted(connection)
            threading.Thread(target=self.serve, args=(connection, *more), daemon=True).start()


def hang_up(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
