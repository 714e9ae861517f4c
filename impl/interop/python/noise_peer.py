"""A Noise session of the package noiseprotocol, steered by lines of JSON on standard input.

Each line is a command, each is answered by one line. Messages of Noise go over a TCP socket, each behind its length in
two bytes.

    {"do": "begin", "name": "Noise_XX_...", "initiator": true, "static": HEX, "prologue": HEX, "connect": "HOST:PORT"}
    {"do": "write", "payload": HEX}         writes the next message
    {"do": "read"}                          reads the next message: {"payload": HEX} or {"refused": WHY}
    {"do": "rekey", "which": "send"}        renews a key, "send" or "receive"
    {"do": "hash"}                          {"hash": HEX} of the handshake

What goes wrong otherwise is answered by {"error": WHY}.
"""

import json
import socket
import struct
import sys

from noise.connection import Keypair, NoiseConnection


class Peer:
    def begin(self, command):
        self.noise = NoiseConnection.from_name(command["name"].encode())
        if command["initiator"]:
            self.noise.set_as_initiator()
        else:
            self.noise.set_as_responder()
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, bytes.fromhex(command["static"]))
        self.noise.set_prologue(bytes.fromhex(command["prologue"]))
        self.noise.start_handshake()
        host, port = command["connect"].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return {}

    def write(self, command):
        payload = bytes.fromhex(command["payload"])
        write = self.noise.encrypt if self.noise.handshake_finished else self.noise.write_message
        message = bytes(write(payload))
        self.socket.sendall(struct.pack(">H", len(message)) + message)
        return {}

    def read(self, command):
        (length,) = struct.unpack(">H", self.exactly(2))
        message = self.exactly(length)
        read = self.noise.decrypt if self.noise.handshake_finished else self.noise.read_message
        try:
            return {"payload": bytes(read(message)).hex()}
        except Exception as error:  # whatever the package refuses a message with
            return {"refused": type(error).__name__}

    def rekey(self, command):
        if command["which"] == "send":
            self.noise.rekey_outbound_cipher()
        else:
            self.noise.rekey_inbound_cipher()
        return {}

    def hash(self, command):
        return {"hash": self.noise.get_handshake_hash().hex()}

    def exactly(self, length):
        read = b""
        while len(read) < length:
            piece = self.socket.recv(length - len(read))
            if not piece:
                raise EOFError("the socket was closed")
            read += piece
        return read


COMMANDS = {"begin", "write", "read", "rekey", "hash"}


def main():
    peer = Peer()
    for line in sys.stdin:
        try:
            command = json.loads(line)
            if command["do"] not in COMMANDS:
                raise ValueError("there is no such command")
            answer = getattr(peer, command["do"])(command)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
