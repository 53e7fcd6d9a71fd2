"""An HTTP/2 receiver over TLS that does what a script says, frame by frame."""

import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import GoAwayFrame


class H2Call:
    """A request, and the frames to answer it with."""

    def __init__(self, receiver, sock, connection, stream, fields, body):
        self.receiver, self.sock, self.connection, self.stream = receiver, sock, connection, stream
        self.fields, self.body = fields, body

    def flush(self):
        self.sock.sendall(self.connection.data_to_send())

    def headers(self, status=200, end=False):
        self.connection.send_headers(self.stream, [(":status", str(status))], end_stream=end)
        self.flush()

    def data(self, data, end=False):
        self.connection.send_data(self.stream, data, end_stream=end)
        self.flush()

    def reset(self, code):
        self.connection.reset_stream(self.stream, code)
        self.flush()

    def goaway(self, code, last_stream):
        """Written by hand, because for h2 itself the connection would have ended with it."""
        self.sock.sendall(GoAwayFrame(0, last_stream_id=last_stream, error_code=code).serialize())

    def hold(self):
        self.receiver.stopping.wait()


class H2Receiver:
    """Listens on loopback; `script` is called with each request once all of it has come. Without `takes_data` the
    window of what may be sent, 64 KiB, is never opened again."""

    def __init__(self, script, certificate, key, takes_data=True):
        self.script, self.takes_data = script, takes_data
        self.stopping, self.requests, self.connections, self.sockets = threading.Event(), 0, 0, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f"https://127.0.0.1:{self.port}/hook"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            with self.context.wrap_socket(sock, server_side=True) as tls:
                connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
                connection.initiate_connection()
                tls.sendall(connection.data_to_send())
                fields, bodies = {}, {}
                while data := tls.recv(1 << 16):
                    for event in connection.receive_data(data):
                        if isinstance(event, h2.events.RequestReceived):
                            fields[event.stream_id] = {name.decode(): value.decode() for name, value in event.headers}
                            bodies[event.stream_id] = b""
                        elif isinstance(event, h2.events.DataReceived) and self.takes_data:
                            bodies[event.stream_id] += event.data
                            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        elif isinstance(event, h2.events.StreamEnded):
                            self.requests += 1
                            self.script(H2Call(self, tls, connection, event.stream_id, fields.pop(event.stream_id),
                                               bodies.pop(event.stream_id)))
                    tls.sendall(connection.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            pass

    def stop(self):
        self.stopping.set()
        self.listener.close()
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class H2Paths(H2Receiver):
    """Answers each path with the statuses that on() has given it, as a Receiver does."""

    def __init__(self, certificate, key):
        self.statuses, self.calls, self.lock = {}, [], threading.Lock()
        super().__init__(self._answer, certificate, key)

    def on(self, path, statuses):
        self.statuses[path] = statuses

    def url(self, path="/hook"):
        return f"https://127.0.0.1:{self.port}{path}"

    def got(self, path):
        with self.lock:
            return [call for call in self.calls if call.fields[":path"] == path]

    def _answer(self, call):
        with self.lock:
            self.calls.append(call)
        statuses = self.statuses[call.fields[":path"]]
        call.headers(statuses[min(len(self.got(call.fields[":path"])), len(statuses)) - 1], end=True)
