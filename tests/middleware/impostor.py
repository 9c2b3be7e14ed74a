"""Something else at Keystead's address."""

import socket
import threading


class Impostor:
    """Takes connections from entering to leaving, reads a question on each, and answers it with `answer`."""

    def __init__(self, drips: bool = False) -> None:
        self.answer = b""
        # Whether a byte follows every half second, for longer than anybody should wait.
        self._drips = drips
        self._ends = threading.Event()

    def __enter__(self) -> "Impostor":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        return self

    def __exit__(self, *failure) -> None:
        self._ends.set()
        # Wakes the thread that waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ends.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    connection.recv(1 << 16)
                    connection.sendall(self.answer)
                    for _ in range(20 if self._drips else 0):
                        if self._ends.wait(0.5):
                            break
                        connection.sendall(b" ")
                except OSError:
                    # The client has had enough.
                    pass
