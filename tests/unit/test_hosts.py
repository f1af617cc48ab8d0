"""Only Salesforce's API hosts are spoken to, over https, whatever a URL makes itself look like."""

from urllib.parse import urlsplit

import pytest
import urllib3.util
from hypothesis import given, settings
from hypothesis import strategies as st

from salesforce_keypair.errors import HostNotAllowed
from salesforce_keypair.salesforce.hosts import ExtraHost, Hosts, is_container_host, is_loopback

ORG = "acme.my.salesforce.com"
SUFFIXES = (".my.salesforce.com", ".my.salesforce.mil", ".my.sfcrmproducts.cn", ".my-salesforce.com")


def refusal(url: str, hosts: Hosts | None = None) -> HostNotAllowed:
    with pytest.raises(HostNotAllowed) as caught:
        (hosts or Hosts()).origin(url, what="baseUri")
    return caught.value


@pytest.mark.parametrize(
    "host",
    [
        "acme.my.salesforce.com",
        "acme--uat.sandbox.my.salesforce.com",
        "acme--uat.my.salesforce.com",
        "acme-dev-ed.develop.my.salesforce.com",
        "acme.scratch.my.salesforce.com",
        "acme.trailblaze.my.salesforce.com",
        "acme.demo.my.salesforce.com",
        "acme.patch.my.salesforce.com",
        "acme.free.my.salesforce.com",
        "acme.my.salesforce.mil",
        "acme.my.sfcrmproducts.cn",
        "acme.my-salesforce.com",
    ],
)
def test_every_kind_of_orgs_host_is_taken(host: str) -> None:
    assert str(Hosts().origin(f"https://{host}", what="baseUri")) == f"https://{host}"


@pytest.mark.parametrize(
    "url", [f"https://{ORG}/", f"https://{ORG}:443", f"https://{ORG}:443/", "https://ACME.my.Salesforce.COM"]
)
def test_spellings_of_one_origin_become_one(url: str) -> None:
    assert Hosts().origin(url, what="baseUri").url == f"https://{ORG}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        ORG,
        f"http://{ORG}",
        f"HTTPS://{ORG}",
        f"ftp://{ORG}",
        f"//{ORG}",
        f"https:/{ORG}",
        f"https://{ORG}//",
        f"https://{ORG}/services",
        f"https://{ORG}?a=1",
        f"https://{ORG}#top",
        f"https://{ORG}.",
        f"https://{ORG}:8443",
        f"https://{ORG}:",
        f"https://{ORG}:0443x",
        f"https://user@{ORG}",
        f"https://user:word@{ORG}",
        f"https://evil.example@{ORG}",
        f"https://{ORG}@evil.example",
        f"https://evil.example\\.{ORG}",
        f"https://evil.example\\@{ORG}",
        f"https://evil.example/.{ORG}",
        f"https://evil.example?.{ORG}",
        f"https://evil.example#.{ORG}",
        f"https://evil.example%2f.{ORG}",
        f"https://evil.example\t.{ORG}",
        f"https://{ORG}\n",
        f" https://{ORG}",
        f"https://{ORG}.evil.example",
        "https://acme.my.salesforce.com.evil.example",
        "https://acme-my.salesforce.com",
        "https://evilmy.salesforce.com",
        "https://my.salesforce.com",
        "https://.my.salesforce.com",
        "https://acme..my.salesforce.com",
        "https://-acme.my.salesforce.com",
        "https://acme-.my.salesforce.com",
        "https://ac_me.my.salesforce.com",
        "https://acme.my.salesforce.co",
        "https://acme.my.salesforce.com.cn",
        "https://acme.my.salesf\u043erce.com",
        "https://acme\u3002my.salesforce.com",
        "https://acme.my.sale\u017fforce.com",
        "https://\uff41cme.my.salesforce.com",
        "https://xn--acme.evil.example",
        "https://169.254.169.254",
        "https://127.0.0.1",
        "https://[::1]",
        "https://localhost",
        "https://salesforce.com",
    ],
)
def test_what_only_looks_like_an_org_is_refused(url: str) -> None:
    error = refusal(url)

    assert error.what.startswith("baseUri")
    assert error.remedy


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("https://acme.lightning.force.com", "address of pages"),
        ("https://acme.my.salesforce-setup.com", "address of Setup"),
        ("https://acme.my.site.com", "address of a site"),
        ("https://login.salesforce.com", "generic hosts"),
        ("https://test.salesforce.com", "generic hosts"),
        ("https://evil.example", "https://<MyDomain>.my.salesforce.com"),
        (f"http://{ORG}", "only https"),
        (f"https://{ORG}:8443", "without a port"),
    ],
)
def test_a_refusal_says_what_to_use_instead(url: str, hint: str) -> None:
    assert hint in refusal(url).remedy


def test_what_a_url_says_beside_the_host_is_not_quoted() -> None:
    assert "hunter2" not in str(refusal(f"https://robot:hunter2@{ORG}"))
    assert len(str(refusal(f"https://{'a' * 5000}.example"))) < 400


_SCHEMES = ("https://", "http://", "https://", "https:")
_NAMES = ("acme", "evil.example", "A", "xn--", "[::1]", *SUFFIXES)
_MARKS = (
    "@",
    "\\",
    "/",
    "?",
    "#",
    ":",
    "443",
    "80",
    "\t",
    "\n",
    "%2e",
    "%40",
    ".",
    "-",
    "_",
    "\u3002",
    "\u24e2",
    "\x00",
    " ",
)
_URLS = st.builds(
    str.__add__, st.sampled_from(_SCHEMES), st.lists(st.sampled_from((*_NAMES, *_MARKS)), max_size=6).map("".join)
)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(_URLS)
def test_parsers_agree_on_the_host_of_whatever_is_let_through(url: str) -> None:
    try:
        origin = Hosts().origin(url, what="baseUri").url
    except HostNotAllowed:
        return
    for text in (url, origin):
        host, other = urlsplit(text).hostname, urllib3.util.parse_url(text).host
        assert host == other
        assert host is not None
        assert host.endswith(SUFFIXES)
    assert urlsplit(origin)._replace(netloc="") == ("https", "", "", "", "")


def test_an_extra_host_is_taken_as_it_was_given() -> None:
    hosts = Hosts(extra=(ExtraHost("org.test", port=8443), ExtraHost("127.0.0.1", plain_http=True)))

    assert hosts.origin("https://ORG.test:8443/", what="baseUri").url == "https://org.test:8443"
    assert hosts.origin("http://127.0.0.1:9", what="baseUri").url == "http://127.0.0.1:9"
    assert hosts.origin("https://127.0.0.1", what="baseUri").url == "https://127.0.0.1"
    for url in ("https://org.test", "https://org.test:443", "http://org.test:8443", "https://a.org.test:8443"):
        refusal(url, hosts)


def test_an_extra_hosts_port_is_the_schemes_own_where_an_origin_names_none() -> None:
    hosts = Hosts(extra=(ExtraHost("org.test", port=443), ExtraHost("localhost", port=80, plain_http=True)))

    assert hosts.origin("https://org.test", what="baseUri").url == "https://org.test"
    assert hosts.origin("http://localhost", what="baseUri").url == "http://localhost"
    for url in ("https://localhost", "https://org.test:80"):
        refusal(url, hosts)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("2130706433", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_else(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("host", "container"),
    [
        ("host.docker.internal", True),
        ("host.containers.internal", True),
        ("172.17.0.1", True),
        ("[fd00::1]", True),
        ("8.8.8.8", False),
        ("docker.internal", False),
    ],
)
def test_a_containers_host_is_known_by_name_or_private_address(host: str, container: bool) -> None:
    assert is_container_host(host) is container
