"""An Android device for tests, as the real ``adb`` sees it over TCP.

It plays the daemon on the device, not adb's server on this machine, which stands between client and daemon.
The server would be a little smaller, but then every word about a device that is missing, offline or not
authorised, and all that happens when a connection breaks, would be ours. So it is the real program's.

Messages, states and services: ``protocol.txt``, ``SERVICES.TXT``, ``SYNC.TXT``, ``shell_protocol.h`` and
``file_sync_protocol.h`` of the Android Open Source Project (packages/modules/adb). Numbers are little-endian.
Scripts run with this machine's ``sh``; what is below ``/data`` on the device lies below a folder here.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

_VERSION, _MAX_DATA = 0x01000001, 1 << 18
_HEADER = struct.Struct("<4s5I")  # command, two arguments, length, checksum, command inverted
_TOKEN, _SIGNATURE = 1, 2  # kinds of AUTH: a question, and the answer
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)
_BANNER = b"device::ro.product.name=phone;ro.product.model=Phone_7;ro.product.device=phone;features=%s"
FEATURES = b"shell_v2,cmd,stat_v2"


class Device:
    """A device that listens on the loopback interface from construction to ``close``.

    Args:
        root: Its files: ``/data`` is ``root/data``, and programs in ``root/bin`` are found first.

    Attributes:
        port: Where it listens.
        features: What it announces to those who connect.
        authorized: Whether it accepts the computers that connect, without looking at their keys.
        left: How many bytes of output its shells write before the connection breaks; ``None``: it holds.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.features = FEATURES
        self.authorized = True
        self.left: int | None = None
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def disconnect(self) -> None:
        """Breaks every connection."""
        for connection in self._connections:
            _shut(connection)

    def close(self) -> None:
        """Is gone, with its connections."""
        _shut(self._listener)
        self.disconnect()

    def local(self, text: str) -> str:
        """A script or path of the device as one of this machine."""
        return text.replace("/data/", f"{self.root}/data/")

    def spend(self, data: bytes) -> bytes:
        """What of a shell's output still leaves the device."""
        if self.left is not None:
            data = data[: self.left]
            self.left -= len(data)
        return data

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            threading.Thread(target=_Connection(self, connection).serve, daemon=True).start()


class _Connection:
    """One computer that is connected; its streams are numbered from 1."""

    def __init__(self, device: Device, connection: socket.socket) -> None:
        self.device = device
        self._socket = connection
        self._file = connection.makefile("rb")
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}

    def serve(self) -> None:
        with self._socket, self._file, contextlib.suppress(OSError, struct.error):
            while header := self._file.read(_HEADER.size):
                command, first, second, size, _, _ = _HEADER.unpack(header)
                self._receive(command, first, second, self._file.read(size))
        for stream in self._streams.values():
            stream.end()

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        inverted = int.from_bytes(command, "little") ^ 0xFFFFFFFF
        with self._sending:
            self._socket.sendall(_HEADER.pack(command, first, second, len(data), sum(data), inverted) + data)

    def break_off(self) -> None:
        _shut(self._socket)

    def _receive(self, command: bytes, first: int, second: int, data: bytes) -> None:
        if command == b"CNXN":
            if self.device.authorized:
                self.send(b"CNXN", _VERSION, _MAX_DATA, _BANNER % self.device.features)
            else:
                self.send(b"AUTH", _TOKEN, 0, bytes(20))
        elif command == b"AUTH":
            if (
                first == _SIGNATURE
            ):  # by a key that the device does not know; then comes the key, and no answer
                self.send(b"AUTH", _TOKEN, 0, bytes(20))
        elif command == b"OPEN":
            number = len(self._streams) + 1
            stream = self._streams[number] = Stream(self, number, first)
            self.send(b"OKAY", number, first)
            service = _service(data.rstrip(b"\0").decode(errors="surrogateescape"))
            threading.Thread(target=stream.serve, args=(service,), daemon=True).start()
        elif stream := self._streams.get(second):
            if command == b"WRTE":
                stream.put(data)
                self.send(b"OKAY", second, first)
            elif command == b"OKAY":
                stream.ready.release()
            elif command == b"CLSE":
                stream.end()


class Stream:
    """Bytes in both directions; one message of each stream is on its way at a time."""

    def __init__(self, connection: _Connection, number: int, remote: int) -> None:
        self.device = connection.device
        self.ready = threading.Semaphore(1)
        self.ended = threading.Event()
        self._connection, self._number, self._remote = connection, number, remote
        self._incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._rest = b""

    def serve(self, service: Callable[[Stream], None]) -> None:
        with contextlib.suppress(OSError, EOFError):
            service(self)
            self.ready.acquire()  # the last message has arrived
            self._connection.send(b"CLSE", self._number, self._remote)

    def put(self, data: bytes) -> None:
        self._incoming.put(data)

    def end(self) -> None:
        self.ended.set()
        self._incoming.put(b"")
        self.ready.release()

    def read(self, size: int) -> bytes:
        """So many bytes.

        Raises:
            EOFError: If the stream ends before.
        """
        while len(self._rest) < size:
            if not (data := self._incoming.get()):
                raise EOFError
            self._rest += data
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def write(self, data: bytes) -> None:
        self.ready.acquire()
        if not self.ended.is_set():
            self._connection.send(b"WRTE", self._number, self._remote, data)

    def break_off(self) -> None:
        self.ready.acquire()  # what was written has arrived
        self._connection.break_off()


def _service(name: str) -> Callable[[Stream], None]:
    kind, _, argument = name.partition(":")
    if kind == "sync":
        return _sync
    assert kind.split(",")[0] == "shell", f"the device has no service {name!r}"
    return lambda stream: _shell(stream, argument, packets="v2" in kind.split(","))


def _shell(stream: Stream, script: str, *, packets: bool) -> None:
    """Runs a script. Without packets (before Android 7) all output is one, and the exit code is lost."""
    root = stream.device.root
    process = subprocess.Popen(
        ["sh", "-c", stream.device.local(script)],
        stdin=subprocess.PIPE if packets else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if packets else subprocess.STDOUT,
        env={**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}"},
        cwd=root,
        start_new_session=True,
    )
    with process:
        lock = threading.Lock()
        outputs = [(_STDOUT, process.stdout), (_STDERR, process.stderr)]
        pumps = [
            threading.Thread(target=_pump, args=(stream, kind if packets else None, output, lock))
            for kind, output in outputs
            if output is not None
        ]
        for thread in (
            *pumps,
            *(threading.Thread(target=each, args=(stream, process)) for each in (_feed, _end)),
        ):
            thread.daemon = True
            thread.start()
        for thread in pumps:
            thread.join()
        code = process.wait()
    if packets:
        stream.write(struct.pack("<BIB", _EXIT, 1, code if code >= 0 else 128 - code))


def _pump(stream: Stream, kind: int | None, output: IO[bytes], lock: threading.Lock) -> None:
    """Sends output until it ends, or the connection has to break."""
    while data := os.read(output.fileno(), 1 << 14):
        with lock, contextlib.suppress(OSError):
            kept = stream.device.spend(data)
            stream.write(kept if kind is None else struct.pack("<BI", kind, len(kept)) + kept)
            if len(kept) < len(data):
                stream.break_off()
                break


def _feed(stream: Stream, process: subprocess.Popen[bytes]) -> None:
    """Passes input on until it ends."""
    with contextlib.suppress(EOFError, OSError, ValueError):
        while process.stdin is not None:
            kind, size = struct.unpack("<BI", stream.read(5))
            data = stream.read(size)
            if kind == _STDIN:
                process.stdin.write(data)
                process.stdin.flush()
            elif kind == _CLOSE_STDIN:
                process.stdin.close()


def _end(stream: Stream, process: subprocess.Popen[bytes]) -> None:
    """Ends the script when nobody listens any more, as the device's daemon does."""
    stream.ended.wait()
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(process.pid, signal.SIGHUP)


def _sync(stream: Stream) -> None:
    """Receives files, and says what is at a path."""
    while True:
        request, size = struct.unpack("<4sI", stream.read(8))
        if request == b"QUIT":
            return
        name = stream.read(size).decode(errors="surrogateescape")
        if request == b"SEND":
            name, _, mode = name.rpartition(",")
            failure = _receive(stream, Path(stream.device.local(name)), mode=int(mode) & 0o777)
            stream.write(struct.pack("<4sI", b"FAIL" if failure else b"OKAY", len(failure)) + failure)
        else:
            stream.write(_status(request, Path(stream.device.local(name))))


def _receive(stream: Stream, path: Path, *, mode: int) -> bytes:
    """Receives a file; the message if it cannot be written."""
    try:
        file: IO[bytes] | None = path.open("wb")
        failure = b""
    except OSError as error:
        file, failure = None, f"couldn't create file: {error.strerror}".encode()
    while True:
        part, size = struct.unpack("<4sI", stream.read(8))
        if part == b"DONE":  # its size is the file's time
            break
        data = stream.read(size)
        if file is not None:
            file.write(data)
    if file is not None:
        file.close()
        path.chmod(mode)
    return failure


def _status(request: bytes, path: Path) -> bytes:
    try:
        found: os.stat_result | None = path.lstat() if request == b"LST2" else path.stat()
    except OSError as error:
        found, code = None, error.errno
    if request == b"STAT":
        return struct.pack(
            "<4s3I", b"STAT", *((found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0))
        )
    layout = struct.Struct("<4sI2Q4IQ3q")
    if found is None:
        return layout.pack(request, code, *[0] * 10)
    owner = (found.st_mode, found.st_nlink, found.st_uid, found.st_gid, found.st_size)
    times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
    return layout.pack(request, 0, found.st_dev, found.st_ino, *owner, *times)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
