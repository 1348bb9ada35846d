"""Guarded downloads: what is asked, over which address, how much, how long."""

from __future__ import annotations

import base64
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests.adapters
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.running import RunningSandbox
from schedulo.media import FetchError, MediaError, MediaStore, fetch

Maker = Callable[..., bytes]


@dataclass
class Host:
    """A host that sends what it was told, byte for byte, and keeps what it was asked."""

    port: int
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset({f"127.0.0.1:{self.port}"})


@contextmanager
def serving(
    answer: Callable[[socket.socket, bytes], None], tls: ssl.SSLContext | None = None
) -> Iterator[Host]:
    listener = socket.create_server(("127.0.0.1", 0))
    host = Host(listener.getsockname()[1])

    def one(line: socket.socket) -> None:
        try:
            with tls.wrap_socket(line, server_side=True) if tls else line as line:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += line.recv(4096) or b"\r\n\r\n"
                host.heads.append(head)
                answer(line, head)
        except OSError:
            pass  # the other side hung up, which some tests want

    def loop() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(line,), daemon=True).start()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def reply(content: bytes, status: str = "200 OK", *headers: str) -> Callable[[socket.socket, bytes], None]:
    lines = "".join(f"{line}\r\n" for line in (f"Content-Length: {len(content)}", *headers))

    def answer(line: socket.socket, head: bytes) -> None:
        line.sendall(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + content)

    return answer


def names(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Resolve any name to these addresses; returns the list of names that were asked for."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        families = [socket.AF_INET6 if ":" in text else socket.AF_INET for text in answers]
        return [
            (family, socket.SOCK_STREAM, 6, "", (text, port))
            for family, text in zip(families, answers, strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def refused(url: str, store: MediaStore, **how: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, store, **how)
    assert not [path for path in store.root.rglob("*") if path.is_file()]
    return caught.value


def test_a_file_is_fetched_into_the_store(sandbox: RunningSandbox, store: MediaStore, picture: Maker) -> None:
    content = picture("PNG")
    file = {
        "path": "a/cat one.png",
        "content_type": "image/png",
        "base64": base64.b64encode(content).decode(),
    }
    sandbox.seed({"media": {"files": [file]}})
    allowed = frozenset({sandbox.url.removeprefix("http://")})
    media = fetch(f"{sandbox.service('media')}/a/cat%20one.png", store, allowed_hosts=allowed)
    assert (media.filename, media.content_type) == ("cat one.png", "image/png")
    assert store.path(media.sha256).read_bytes() == content


def test_what_arrives_and_is_no_media_is_refused_by_its_name(store: MediaStore) -> None:
    with (
        serving(reply(b"<html>please log in</html>", "200 OK", "Content-Type: text/html")) as host,
        pytest.raises(MediaError, match=r"cat\.jpg, text/html"),
    ):
        fetch(f"{host.url}/cat.jpg", store, allowed_hosts=host.allowed)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://media.example/a.jpg",
        "file:///etc/passwd",
        "gopher://media.example:70/",
        "https:///a.jpg",
        "media.example/a.jpg",
        "https://media.example:port/a.jpg",
        "https://[::1/a.jpg",
        "",
    ],
)
def test_only_web_addresses_are_fetched(url: str, store: MediaStore) -> None:
    assert "address of the file" in str(refused(url, store))


def test_plain_http_is_for_allowed_hosts_only(store: MediaStore) -> None:
    with serving(reply(b"")) as host:
        assert "only https" in str(refused(f"{host.url}/a.jpg", store))
        assert host.heads == []


def test_an_address_with_a_login_is_refused_without_showing_it(store: MediaStore) -> None:
    error = refused("https://user:geheim@media.example/a.jpg", store)
    assert "login" in str(error)
    assert "geheim" not in str(error)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.8",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",  # where clouds keep credentials
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(
    address: str, store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, address)
    assert "private network" in str(refused("https://media.example/a.jpg", store))


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, "93.184.215.14", "10.0.0.8")
    assert "private network" in str(refused("https://media.example/a.jpg", store))


def test_a_public_address_passes_the_check(store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[Any] = []

    def connect(line: socket.socket, address: Any) -> None:
        reached.append(address[0])
        raise ConnectionRefusedError

    names(monkeypatch, "93.184.215.14", "2606:2800:21f::1")
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert refused("https://media.example/a.jpg", store).temporary
    assert reached == ["93.184.215.14", "2606:2800:21f::1"]


def test_an_allowed_host_is_allowed_on_its_port_only(store: MediaStore) -> None:
    with serving(reply(b"")) as host:
        other = frozenset({f"127.0.0.1:{host.port + 1}"})
        assert "only https" in str(refused(f"{host.url}/a.jpg", store, allowed_hosts=other))
        with pytest.raises(FetchError, match="private network"):
            fetch(f"https://127.0.0.1:{host.port}/a.jpg", store, allowed_hosts=other)
        assert host.heads == []


def test_the_checked_address_is_the_one_connected_to(
    store: MediaStore, picture: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply(picture())) as host:
        asked = names(monkeypatch, "127.0.0.1")
        allowed = frozenset({f"media.test:{host.port}"})
        fetch(f"http://media.test:{host.port}/a.jpg", store, allowed_hosts=allowed)
        assert asked == ["media.test"]
        assert f"Host: media.test:{host.port}".encode() in host.heads[0]


def test_the_next_address_is_tried_when_the_first_is_silent(
    store: MediaStore, picture: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply(picture())) as host:
        names(monkeypatch, "127.0.0.2", "127.0.0.1")
        allowed = frozenset({f"media.test:{host.port}"})
        assert fetch(f"http://media.test:{host.port}/a.jpg", store, allowed_hosts=allowed).width == 64


def test_redirects_are_followed_and_each_is_checked(store: MediaStore, picture: Maker) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        here, there = reply(picture()), reply(b"", "302 Found", "Location: /real.jpg")
        (here if head.startswith(b"GET /real.jpg ") else there)(line, head)

    with serving(answer) as host:
        assert fetch(f"{host.url}/a", store, allowed_hosts=host.allowed).filename == "real.jpg"


def test_a_name_in_an_address_is_one_that_every_database_takes(store: MediaStore, picture: Maker) -> None:
    with serving(reply(picture())) as host:
        media = fetch(f"{host.url}/a%00%ED%A0%80b.jpg", store, allowed_hosts=host.allowed)
    assert "\0" not in media.filename
    assert media.filename.startswith("a")
    assert media.filename.encode().endswith(b"b.jpg")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("http://media.example/a.jpg", "only https"),
        ("file:///etc/passwd", "not an https address"),
    ],
)
def test_a_redirect_to_a_forbidden_place_is_not_taken(target: str, reason: str, store: MediaStore) -> None:
    with serving(reply(b"", "302 Found", f"Location: {target}")) as host:
        assert reason in str(refused(f"{host.url}/a", store, allowed_hosts=host.allowed))


def test_redirects_end_after_three(store: MediaStore) -> None:
    with serving(reply(b"", "307 Temporary Redirect", "Location: /again")) as host:
        assert "more than 3" in str(refused(f"{host.url}/a", store, allowed_hosts=host.allowed))
        assert len(host.heads) == 4


@pytest.mark.parametrize(("status", "temporary"), [(404, False), (403, False), (410, False), (503, True)])
def test_a_refusal_names_the_host_and_no_signed_part_of_the_address(
    status: int, temporary: bool, store: MediaStore
) -> None:
    with serving(reply(b"", f"{status} No")) as host:
        error = refused(f"{host.url}/v3/geheim/a.jpg?sig=geheim", store, allowed_hosts=host.allowed)
    assert (error.status, error.temporary) == (status, temporary)
    assert str(error) == f"127.0.0.1 did not hand out the file (HTTP {status})"


def test_a_host_that_cannot_be_reached_is_named_and_the_rest_is_not(store: MediaStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}/geheim?sig=geheim"
    error = refused(url, store, allowed_hosts=frozenset({f"127.0.0.1:{port}"}))
    assert error.temporary
    assert "127.0.0.1 failed" in str(error)
    assert "geheim" not in f"{error}{error.__cause__}"


def test_a_declared_size_over_the_limit_is_refused_before_it_is_read(store: MediaStore) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        line.recv(1)

    with serving(answer) as host:
        error = refused(f"{host.url}/a.jpg", store, allowed_hosts=host.allowed, max_bytes=4999)
    assert "larger than 4999 bytes" in str(error)


def test_an_undeclared_size_over_the_limit_is_refused_while_it_is_read(store: MediaStore) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            line.sendall(bytes(10_000))

    with serving(answer) as host:
        error = refused(f"{host.url}/a.jpg", store, allowed_hosts=host.allowed, max_bytes=100_000)
    assert "larger than" in str(error)


def test_a_body_shorter_than_declared_is_a_failed_connection(store: MediaStore, picture: Maker) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        content = picture()
        line.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(content) + 1}\r\n\r\n".encode() + content)

    with serving(answer) as host:
        error = refused(f"{host.url}/a.jpg", store, allowed_hosts=host.allowed)
    assert error.temporary
    assert "failed" in str(error)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["silence", "in the head", "in the body", "in a body without a length"],
)
def test_a_host_that_drips_is_cut_off_when_the_time_is_over(start: bytes, store: MediaStore) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        line.sendall(start)
        while start:
            line.sendall(b"x")
            time.sleep(0.05)
        line.recv(1)

    with serving(answer) as host:
        started = time.monotonic()
        error = refused(f"{host.url}/a.jpg", store, allowed_hosts=host.allowed, total_seconds=0.5)
        assert time.monotonic() - started < 2.0
    assert "took too long" in str(error)
    assert error.temporary


def test_neither_proxy_nor_netrc_of_the_environment_is_used(
    store: MediaStore, picture: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password geheim\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(reply(picture())) as host:
        fetch(f"{host.url}/a.jpg", store, allowed_hosts=host.allowed)
        assert b"authorization" not in host.heads[0].lower()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of `media.test`, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "media.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("media.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


def tls_server(certificate: tuple[Path, Path], asked: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.sni_callback = lambda _line, name, _context: asked.append(name)
    return context


def test_tls_is_spoken_to_the_pinned_address_in_the_name_of_the_host(
    certificate: tuple[Path, Path], store: MediaStore, picture: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate[0]))
    names(monkeypatch, "127.0.0.1")
    with serving(reply(picture()), tls_server(certificate, asked)) as host:
        allowed = frozenset({f"media.test:{host.port}"})
        assert fetch(f"https://media.test:{host.port}/a.jpg", store, allowed_hosts=allowed).width == 64
    assert asked == ["media.test"]


@pytest.mark.parametrize(("name", "trusted"), [("media.test", False), ("other.test", True)])
def test_a_host_that_cannot_prove_its_name_gets_no_request(
    name: str,
    trusted: bool,
    certificate: tuple[Path, Path],
    store: MediaStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if trusted:
        monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate[0]))
    names(monkeypatch, "127.0.0.1")
    with serving(reply(b""), tls_server(certificate, [])) as host:
        error = refused(
            f"https://{name}:{host.port}/a.jpg", store, allowed_hosts=frozenset({f"{name}:{host.port}"})
        )
        assert host.heads == []
    assert "could not prove who it is" in str(error)
