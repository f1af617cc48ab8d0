"""The environment is read once, and a wrong variable named before anything is done."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from salesforce_keypair.errors import HostNotAllowed, InvalidSettings
from salesforce_keypair.salesforce.hosts import Hosts
from salesforce_keypair.settings import Settings
from tests.scenarios.promises import assert_tells_what_to_do

LOCAL = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
SAM = {"AWS_SAM_LOCAL": "true"}


def read(**environ: str) -> Settings:
    return Settings.from_environment(environ, serves_secrets=False)


@contextmanager
def refused(match: str) -> Iterator[pytest.ExceptionInfo[InvalidSettings]]:
    """What is read is refused in these words, and whoever reads that knows what to do."""
    with pytest.raises(InvalidSettings, match=match) as caught:
        yield caught
    assert_tells_what_to_do(caught.value)


def allows(settings: Settings, url: str) -> bool:
    try:
        settings.hosts.origin(url, what="url")
    except HostNotAllowed:
        return False
    return True


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = read()

    assert (settings.token_lifetime, settings.settling) == (900, 720)
    assert (settings.settled_logins, settings.settled_interval) == (3, 10)
    assert settings.secret_ids == ()
    assert settings.hosts == Hosts()


def test_blank_variables_count_as_unset() -> None:
    blank = dict.fromkeys(("TOKEN_LIFETIME_SECONDS", "SETTLED_LOGINS", "TOKEN_TABLE", "TOKEN_VENDOR_FUNCTION"), "  ")

    assert Settings.from_environment(blank, serves_secrets=False) == read()


def test_what_is_set_counts() -> None:
    settings = read(
        TOKEN_LIFETIME_SECONDS="7200", SETTLING_SECONDS="0", SETTLED_LOGINS="1", SETTLED_INTERVAL_SECONDS="0.25"
    )

    assert (settings.token_lifetime, settings.settling) == (7200, 0)
    assert (settings.settled_logins, settings.settled_interval) == (1, 0.25)


def test_the_secrets_keep_their_order_and_come_once() -> None:
    assert read(SECRET_ID=" one, two,,one ,three").secret_ids == ("one", "two", "three")


@pytest.mark.parametrize("value", [None, "", " , "])
def test_a_vendor_must_be_told_its_secrets(value: str | None) -> None:
    environ = {} if value is None else {"SECRET_ID": value}
    with refused("SECRET_ID"):
        Settings.from_environment(environ, serves_secrets=True)


@pytest.mark.parametrize("name", ["tokens-of-acme", "arn:aws:dynamodb:eu-west-1:123456789012:table/tokens"])
def test_tokens_are_shared_over_the_table_that_is_named(name: str) -> None:
    assert read(TOKEN_TABLE=f" {name} ").token_table == name


@pytest.mark.parametrize("name", ["my tokens", "a/b", "x" * 300, "arn:aws:s3:::tokens"])
def test_what_cannot_be_a_table_is_refused_by_name(name: str) -> None:
    with refused("TOKEN_TABLE") as caught:
        read(TOKEN_TABLE=name)
    assert name not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "key-pair-TokenVendorFunction-1AbC",
        "vendor:live",
        "vendor:$LATEST",
        "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:vendor:12",
    ],
)
def test_the_monitor_asks_the_vendor_that_is_named(name: str) -> None:
    assert read(TOKEN_VENDOR_FUNCTION=f" {name} ").token_vendor == name
    assert read().token_vendor is None


@pytest.mark.parametrize("name", ["my vendor", "x" * 65, "arn:aws:iam::123456789012:role/x", "vendor:", "vendor:$OLD"])
def test_what_cannot_be_a_function_is_refused_by_name(name: str) -> None:
    with refused("TOKEN_VENDOR_FUNCTION") as caught:
        read(TOKEN_VENDOR_FUNCTION=name)
    assert name not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_LIFETIME_SECONDS", "0"),
        ("TOKEN_LIFETIME_SECONDS", "-900"),
        ("TOKEN_LIFETIME_SECONDS", "15 min"),
        ("TOKEN_LIFETIME_SECONDS", "nan"),
        ("TOKEN_LIFETIME_SECONDS", "inf"),
        ("TOKEN_LIFETIME_SECONDS", "1e3"),
        ("TOKEN_LIFETIME_SECONDS", "٩٠٠"),
        ("TOKEN_LIFETIME_SECONDS", "86401"),
        ("SETTLING_SECONDS", "86400.5"),
        ("SETTLING_SECONDS", "9" * 400),
        ("SETTLED_INTERVAL_SECONDS", "1,5"),
        ("SETTLED_LOGINS", "0"),
        ("SETTLED_LOGINS", "101"),
        ("SETTLED_LOGINS", "2.5"),
        ("SETTLED_LOGINS", "three"),
        ("SETTLED_LOGINS", "9" * 5000),
    ],
)
def test_a_wrong_number_is_named_and_not_quoted(name: str, value: str) -> None:
    with refused(name) as caught:
        read(**{name: value})
    assert caught.value.remedy
    assert len(value) < 3 or value not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("TOKEN_LIFETIME_SECONDS", "1", "86400"),
        ("SETTLING_SECONDS", "0", "86400"),
        ("SETTLED_INTERVAL_SECONDS", "0", "300"),
        ("SETTLED_LOGINS", "1", "61"),
    ],
)
def test_the_limits_themselves_are_taken(name: str, least: str, most: str) -> None:
    assert read(**{name: least})
    assert read(**{name: most})


@pytest.mark.parametrize(("logins", "interval"), [("3", "301"), ("62", "10"), ("100", "6.1")])
def test_more_logins_than_a_step_has_time_for_are_refused(logins: str, interval: str) -> None:
    with refused("SETTLED_LOGINS times SETTLED_INTERVAL_SECONDS"):
        read(SETTLED_LOGINS=logins, SETTLED_INTERVAL_SECONDS=interval)


def test_no_more_than_a_hundred_logins_are_taken_however_close() -> None:
    assert read(SETTLED_LOGINS="100", SETTLED_INTERVAL_SECONDS="0").settled_logins == 100
    with refused("SETTLED_LOGINS"):
        read(SETTLED_LOGINS="101", SETTLED_INTERVAL_SECONDS="0")


TOPIC = "arn:aws:sns:eu-west-1:123456789012:salesforce-keypair"


@pytest.mark.parametrize(("given", "topic"), [(TOPIC, TOPIC), (f" {TOPIC} ", TOPIC), ("", None), (" ", None)])
def test_the_topic_is_an_arn_or_none(given: str, topic: str | None) -> None:
    assert read(NOTIFICATION_TOPIC_ARN=given).notification_topic == topic


@pytest.mark.parametrize(
    "given", ["salesforce-keypair", f"{TOPIC}.fifo", f"{TOPIC}:1", TOPIC.replace(":sns:", ":sqs:")]
)
def test_a_topic_that_cant_be_published_to_is_refused(given: str) -> None:
    with refused("NOTIFICATION_TOPIC_ARN"):
        read(NOTIFICATION_TOPIC_ARN=given)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_SAM_LOCAL": "false"},
        {"AWS_SAM_LOCAL": "1"},
        {"AWS_ENDPOINT_URL": "https://secretsmanager.eu-west-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL": "http://localhost.evil.example"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1@evil.example"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1.evil.example"},
        {"AWS_ENDPOINT_URL": "http://10.0.0.7:4566"},
        {"AWS_ENDPOINT_URL": "http://host.docker.internal:4566"},
        {"AWS_ENDPOINT_URL": "127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL": "http://[::1"},
    ],
)
def test_extra_hosts_are_refused_outside_a_local_test(environ: dict[str, str]) -> None:
    with refused("EXTRA_SALESFORCE_HOSTS"):
        read(EXTRA_SALESFORCE_HOSTS="127.0.0.1:8443", **environ)


@pytest.mark.parametrize(
    "environ",
    [
        LOCAL,
        SAM,
        {"AWS_SAM_LOCAL": "True"},
        {"AWS_ENDPOINT_URL": "http://localhost:4566"},
        {"AWS_ENDPOINT_URL": "http://[::1]:4566"},
        {"AWS_ENDPOINT_URL": "https://127.8.9.1"},
    ],
)
def test_extra_hosts_count_in_a_local_test(environ: dict[str, str]) -> None:
    assert allows(read(EXTRA_SALESFORCE_HOSTS="127.0.0.1:8443", **environ), "http://127.0.0.1:8443")


@pytest.mark.parametrize(
    ("environ", "entry", "url", "allowed"),
    [
        (LOCAL, "127.0.0.1:8443", "http://127.0.0.1:8444", False),
        (LOCAL, "127.0.0.1", "http://127.0.0.1:8444", True),
        (LOCAL, "LocalHost:80", "http://localhost:80", True),
        (LOCAL, "[::1]:8443", "http://[::1]:8443", True),
        (LOCAL, "org.test:8443", "https://org.test:8443", True),
        (LOCAL, "org.test:8443", "http://org.test:8443", False),
        (LOCAL, "localhost:1", "http://localhost:1", True),
        (LOCAL, "localhost:65535", "http://localhost:65535", True),
        (LOCAL, "one.test, two.test", "https://two.test", True),
        (LOCAL, "one.test", "https://two.test", False),
        (LOCAL, "host.docker.internal:8443", "http://host.docker.internal:8443", False),
        (SAM, "host.docker.internal:8443", "http://host.docker.internal:8443", True),
        (SAM, "172.17.0.1:8443", "http://172.17.0.1:8443", True),
        (SAM, "8.8.8.8:8443", "http://8.8.8.8:8443", False),
        (SAM, "org.test:8443", "http://org.test:8443", False),
    ],
)
def test_plain_http_is_for_this_machine_alone(environ: dict[str, str], entry: str, url: str, allowed: bool) -> None:
    assert allows(read(EXTRA_SALESFORCE_HOSTS=entry, **environ), url) is allowed


@pytest.mark.parametrize(
    "entry", ["http://127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "a b", "user@host", "host/path", "-host", "host:x"]
)
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with refused("host:port"):
        read(EXTRA_SALESFORCE_HOSTS=entry, **LOCAL)


def test_salesforces_own_hosts_stay_allowed_beside_extra_ones() -> None:
    assert allows(read(EXTRA_SALESFORCE_HOSTS="127.0.0.1", **LOCAL), "https://acme.my.salesforce.com")
