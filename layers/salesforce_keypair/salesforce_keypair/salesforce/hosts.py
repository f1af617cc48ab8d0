"""Which hosts may be spoken to: Salesforce's own over https, and a test org's where the environment is a test."""

import ipaddress
import re
from dataclasses import dataclass

from salesforce_keypair.errors import HostNotAllowed

# https://help.salesforce.com, "My Domain URL Formats": production and Hyperforce, Government Cloud Defense, Alibaba
# Cloud China, and the alternative domain. Sandboxes and the like have one more label before these.
SALESFORCE_SUFFIXES = (".my.salesforce.com", ".my.salesforce.mil", ".my.sfcrmproducts.cn", ".my-salesforce.com")

# Names under which a container reaches the machine it runs on.
CONTAINER_HOSTS = frozenset({"host.docker.internal", "host.containers.internal", "host.lima.internal"})

_PAGES = {
    ".lightning.force.com": "that is the address of pages; the org's API is at its .my.salesforce.com host",
    ".my.salesforce-setup.com": "that is the address of Setup; the org's API is at its .my.salesforce.com host",
    ".my.site.com": "that is the address of a site; the org's API is at its .my.salesforce.com host",
    "login.salesforce.com": "generic hosts refuse External Client Apps; use the org's My Domain",
    "test.salesforce.com": "generic hosts refuse External Client Apps; use the org's My Domain",
}
_USE_MY_DOMAIN = "use the org's My Domain, https://<MyDomain>.my.salesforce.com"

# The whole text must be an origin: parsers of URLs disagree on backslashes, user names, tabs and dots, so none may be
# there to disagree on.
_ORIGIN = re.compile(r"(https?)://([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::([0-9]{1,5}))?/?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HTTP_PORT = 80
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme and host that `Hosts` has let through. Requests take one of these, so none can go elsewhere."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class ExtraHost:
    """A test org's host that is allowed beside Salesforce's; without a port every port of it is meant."""

    host: str
    port: int | None = None
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class Hosts:
    """The rule for hosts, with what a test environment adds to it."""

    extra: tuple[ExtraHost, ...] = ()

    def origin(self, url: str, *, what: str) -> Origin:
        """The origin of `url`, which must be nothing but one; `what` names it in the error. Raises HostNotAllowed."""
        match = _ORIGIN.fullmatch(url)
        if match is None:
            raise HostNotAllowed(f"{what} isn't an https origin without path, user or query", remedy=_USE_MY_DOMAIN)
        scheme, host, port_text = match[1], match[2].lower(), match[3]
        port = int(port_text) if port_text else None
        if self._is_extra(scheme, host, port):
            return Origin(f"{scheme}://{host}" + (f":{port}" if port is not None else ""))
        if scheme != "https":
            raise HostNotAllowed(f"{what} doesn't begin with https://", remedy="only https is spoken to Salesforce")
        if port not in (None, _HTTPS_PORT):
            raise HostNotAllowed(f"{what} names port {port}", remedy=f"{_USE_MY_DOMAIN}, without a port")
        if not _is_salesforce(host):
            raise HostNotAllowed(f"{what} names {host[:120]}, which isn't an org's API host", remedy=_hint(host))
        return Origin(f"https://{host}")

    def _is_extra(self, scheme: str, host: str, port: int | None) -> bool:
        if port is None:
            port = _HTTPS_PORT if scheme == "https" else _HTTP_PORT
        return any(
            extra.host == host and extra.port in (None, port) and (scheme == "https" or extra.plain_http)
            for extra in self.extra
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_container_host(host: str) -> bool:
    """Whether a host is how a container reaches its machine: by the engine's name for it, or the bridge's address."""
    if host in CONTAINER_HOSTS:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return False


def _is_salesforce(host: str) -> bool:
    for suffix in SALESFORCE_SUFFIXES:
        if host.endswith(suffix):
            return all(_LABEL.fullmatch(label) for label in host.removesuffix(suffix).split("."))
    return False


def _hint(host: str) -> str:
    return next((hint for ending, hint in _PAGES.items() if host.endswith(ending)), _USE_MY_DOMAIN)
