"""The clay that films are made from, and a listener on loopback that nobody may ever call."""

import socket
import threading

import pytest

from tests.hostile import clay as honest
from tests.hostile.cases import Clay


class Listener:
    """Accepts whoever calls, on TCP, and hears whatever is thrown at it, on UDP; remembers both."""

    def __init__(self):
        self.heard = []
        self.tcp, self.udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        self.tcp.bind(("127.0.0.1", 0))
        self.tcp.listen()
        self.port = self.tcp.getsockname()[1]
        self.udp.bind(("127.0.0.1", self.port))
        for hear in (self._accept, self._receive):
            threading.Thread(target=hear, daemon=True).start()

    def _accept(self):
        while True:
            try:
                caller, address = self.tcp.accept()
            except OSError:
                return
            self.heard.append(address)
            caller.close()

    def _receive(self):
        while True:
            try:
                self.heard.append(self.udp.recvfrom(64))
            except OSError:
                return


@pytest.fixture(scope="session")
def listener():
    ears = Listener()
    yield ears
    ears.tcp.close()
    ears.udp.close()


@pytest.fixture(scope="session")
def clay(tmp_path_factory, listener):
    folder = tmp_path_factory.mktemp("clay")
    return Clay(honest.films(folder), folder, f"http://127.0.0.1:{listener.port}", listener.port)
