"""Addresses of an emulator: only what every reader of URLs takes for this machine."""

import pytest

from components.iam.endpoints import endpoint_error, is_loopback


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4599", "http://127.1.2.3:80", "http://localhost:1", "https://[::1]:4599"]
)
def test_an_emulator_of_this_machine(url):
    assert endpoint_error(url) is None
    assert is_loopback(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://10.0.0.1:4599", "an endpoint is an emulator on this machine, and 10.0.0.1 is not a loopback address"),
        ("http://127.0.0.1.example.com:1", "and 127.0.0.1.example.com is not a loopback address"),
        ("http://0.0.0.0:4599", "and 0.0.0.0 is not a loopback address"),
        ("http://[2001:db8::1]:4599", "and 2001:db8::1 is not a loopback address"),
        ("http://127.0.0.1:1@10.0.0.1:2", "an endpoint is http://, a loopback address and a port, without '@'"),
        (r"http://127.0.0.2:1\@127.0.0.1:2", "without '\\\\'"),
        ("http://127.0.0.1\t.example.com:1", "without '\\t'"),
        (" http://127.0.0.1:1", "without ' '"),
        ("http://127.0.0.1:45\n99", "without '\\n'"),
        ("http://127.0.0.1:4599\x00", "without '\\x00'"),
        ("http://[::1", "this is not a URL"),
        *((url, "a loopback address and a port") for url in ("127.0.0.1:4599", "http://:4599")),
        ("", "an endpoint is http://, a loopback address and a port"),
    ],
)
def test_what_is_none(url, problem):
    assert (endpoint_error(url) or "").endswith(problem)
    assert not is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1", "ftp://127.0.0.1:21", "http://[::1]:1?a"),
        *(f"http://127.0.0.1:1{end}" for end in ("/a", "?a=b", "?", "/#")),
    ],
)
def test_this_machine_without_being_an_endpoint(url):
    assert endpoint_error(url) == "an endpoint is http://, a loopback address and a port"
    assert is_loopback(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http://127.0.0.1:99999", "http://[::1%25lo]:4599"])
def test_no_url_of_an_endpoint(url):
    assert (endpoint_error(url) or "").startswith(("this is not a URL", "an endpoint is http://"))
