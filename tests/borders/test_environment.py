"""Any environment: settings that hold what they promise, or InvalidSettings."""

import math
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.errors import HostNotAllowed, InvalidSettings
from salesforce_keypair.settings import Settings
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.odd import scratched, weighted

_NUMBERS = (
    "0",
    "1",
    "900",
    "0.5",
    "-1",
    "1e3",
    "nan",
    "inf",
    "\uff19",
    "\u0663",
    "1_0",
    "0x10",
    "86400",
    "86401",
    " 7 ",
    "",
    "9" * 400,
    ".5",
    "1.",
    "--1",
)
_HOSTS = (
    "127.0.0.1:8443",
    "localhost",
    "LOCALHOST:1",
    "[::1]:8443",
    "evil.example",
    "evil.example:443",
    "host.docker.internal:8443",
    "10.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:99999",
    "u@127.0.0.1",
    "http://127.0.0.1",
    "127.1",
    "2130706433",
    "0.0.0.0",
    "[::]",
    "127.0.0.1.evil.example",
    "*",
    ".",
    "[127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "172.17.0.1:8443",
    "169.254.169.254",
)
_ENDPOINTS = (
    "http://127.0.0.1:4566",
    "http://localhost:4566",
    "http://127.0.0.1.evil.example",
    "http://u@127.0.0.1:1@evil.example",
    "http://[::1]",
    "http://[",
    "127.0.0.1",
    "https://secretsmanager.eu-west-1.amazonaws.com",
    "",
    "\t",
    "http://127.0.0.1\\@evil.example",
)
_IDS = (
    "salesforce/keypair",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf",
    "a,b",
    ",",
    " , ",
    "a,,a",
    "\udcff",
)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "SECRET_ID": _IDS,
    "TOKEN_TABLE": (
        "tokens",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/tokens",
        "",
        " ",
        "ab",
        "a/b",
        "t" * 300,
        "tokens\n",
    ),
    "TOKEN_VENDOR_FUNCTION": (
        "vendor",
        "vendor:$LATEST",
        "arn:aws:lambda:eu-west-1:123456789012:function:vendor",
        " ",
        "v\n",
    ),
    "TOKEN_LIFETIME_SECONDS": _NUMBERS,
    "SETTLING_SECONDS": _NUMBERS,
    "SETTLED_LOGINS": _NUMBERS,
    "SETTLED_INTERVAL_SECONDS": _NUMBERS,
    "EXTRA_SALESFORCE_HOSTS": _HOSTS,
    "AWS_SAM_LOCAL": ("true", "True", "false", "1", "", " true "),
    "AWS_ENDPOINT_URL": _ENDPOINTS,
}


def _values(name: str) -> st.SearchStrategy[str]:
    right = st.sampled_from(_CHOICES[name])
    return weighted(
        (6, right),
        (2, right.flatmap(scratched)),
        (1, st.lists(right, max_size=3).map(",".join)),
        (1, st.text(max_size=12)),
    )


_environments = st.sets(st.sampled_from(sorted(_CHOICES)), max_size=6).flatmap(
    lambda names: st.fixed_dictionaries({name: _values(name) for name in sorted(names | {"SECRET_ID"})})
)


@given(environ=_environments, serves_secrets=st.booleans())
@examples(3_000)
def test_any_environment(environ: dict[str, str], serves_secrets: bool) -> None:
    settings = value_or_error(
        lambda: Settings.from_environment(environ, serves_secrets=serves_secrets), errors=(InvalidSettings,)
    )
    if settings is None:
        return
    for seconds in (settings.token_lifetime, settings.settling, settings.settled_interval):
        assert math.isfinite(seconds)
        assert 0 <= seconds <= 86_400
    assert settings.token_lifetime >= 1
    assert (settings.settled_logins - 1) * settings.settled_interval <= 600
    assert settings.secret_ids or not serves_secrets
    is_test = environ.get("AWS_SAM_LOCAL", "").strip().lower() == "true" or _is_this_machine(environ)
    assert is_test or not settings.hosts.extra
    for url in ("http://evil.example", "http://169.254.169.254:80", "http://acme.my.salesforce.com"):
        # Unencrypted never leaves the machine; a container's bridge has a private address.
        origin = value_or_error(lambda url=url: settings.hosts.origin(url, what="baseUri"), errors=(HostNotAllowed,))  # type: ignore[misc]
        assert origin is None or environ.get("AWS_SAM_LOCAL")


def _is_this_machine(environ: Mapping[str, str]) -> bool:
    """Told without the product."""
    text = environ.get("AWS_ENDPOINT_URL", "").strip().lower()
    host = text.partition("//")[2].partition("/")[0].rpartition("@")[2]
    return host.startswith(("127.", "localhost", "[::1]", "[::ffff:127."))
