"""One request with a large file as its body, as fast as the server takes it."""

import socket
from urllib.parse import urlsplit

HEAD_MAX = 64 * 1024


def post_file(url, path, content_type, timeout_s=120):
    """Sends the file by sendfile, which costs next to nothing; returns (status, body). A server that answers before it
    has read everything is listened to: what it says then is the answer."""
    address = urlsplit(url)
    size = path.stat().st_size
    with socket.create_connection((address.hostname, address.port), timeout_s) as connection:
        head = (f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: {content_type}\r\n"
                f"Content-Length: {size}\r\nConnection: close\r\n\r\n")
        connection.sendall(head.encode())
        try:
            with open(path, "rb") as file:
                connection.sendfile(file)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not want the rest
        return _answer(connection)


def _answer(connection):
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
            if len(answer) > HEAD_MAX:
                break
    except ConnectionResetError:
        pass
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise SystemExit("the server closed the connection without an answer")
    return int(head.split(b" ")[1]), body.decode("utf-8", "replace")
