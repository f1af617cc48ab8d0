"""Who may change an app: the admin whose secret the document names, in the same org."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from botocore.config import Config

from salesforce_keypair.authority import Authority
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, KeyPairError, LoginRefused, SecretUnavailable
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.secret_store import SecretsManager
from tests.integration.org_client import key_pair
from tests.sandbox.aws import LocalAws, Refuse
from tests.unit.support import LOOPBACK, Billing, document


@dataclass
class Admin:
    """An admin's secret, and the authority that reads it."""

    aws: LocalAws
    billing: Billing

    def store(self, text: str) -> str:
        client = self.aws.client("secretsmanager")
        return client.create_secret(Name="admin", SecretString=text)["ARN"]

    @cached_property
    def authority(self) -> Authority:
        client = self.aws.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))
        return Authority(store=SecretsManager(client), login=self.billing.login, hosts=LOOPBACK)

    def session(self, arn: str | None) -> Session:
        credential = self.billing.credential(adminSecretArn=arn)
        return self.authority.session(credential, [], deadline=self.billing.clock.deadline())

    def refusal(self, arn: str | None) -> KeyPairError:
        with pytest.raises(KeyPairError) as caught:
            self.session(arn)
        return caught.value

    def client_credentials(self, **members: Any) -> str:
        right = {
            "consumerKey": self.billing.admin_app.consumer_key,
            "consumerSecret": self.billing.admin_app.consumer_secret,
            "baseUri": self.billing.org.url,
        }
        return json.dumps({name: value for name, value in (right | members).items() if value is not None})


@pytest.fixture
def admin(billing: Billing) -> Iterator[Admin]:
    with LocalAws() as aws:
        yield Admin(aws, billing)


def test_an_admin_logs_in_with_client_credentials(admin: Admin) -> None:
    session = admin.session(admin.store(admin.client_credentials(appId="0xI", consumerId="888")))
    assert session.user_id == admin.billing.admin.user_id


def test_an_admin_logs_in_with_a_key_pair_of_its_own(admin: Admin) -> None:
    billing = admin.billing
    billing.admin_app.install(key_pair("second").pem)
    billing.admin_app.approve(billing.admin)
    text = document(
        key_pair("second"),
        consumerKey=billing.admin_app.consumer_key,
        username=billing.admin.username,
        baseUri=billing.org.url,
    )

    assert admin.session(admin.store(json.dumps(text))).user_id == billing.admin.user_id


def test_without_an_admin_secret_nothing_is_asked(admin: Admin) -> None:
    error = admin.refusal(None)

    assert isinstance(error, InvalidSecret)
    assert "adminSecretArn is missing" in error.what
    assert admin.aws.calls() == []


def test_an_admin_secret_that_is_not_there_is_named(admin: Admin) -> None:
    error = admin.refusal("arn:aws:secretsmanager:us-east-1:123456789012:secret:missing-AbCdEf")

    assert isinstance(error, InvalidSecret)
    assert "adminSecretArn" in error.what
    assert "correct adminSecretArn" in error.remedy


def test_an_admin_secret_that_may_not_be_read_says_so(admin: Admin) -> None:
    arn = admin.store(admin.client_credentials())
    admin.aws.faults.inject("GetSecretValue", Refuse("AccessDeniedException"))

    assert isinstance(admin.refusal(arn), SecretUnavailable)


@pytest.mark.parametrize(
    ("members", "kind", "words"),
    [
        ({"consumerKey": None}, InvalidSecret, "in the admin's secret, consumerKey is missing"),
        ({"consumerSecret": ""}, InvalidSecret, "in the admin's secret, consumerSecret can't be used"),
        ({"consumerSecret": None}, InvalidSecret, "in the admin's secret, username is missing"),
        ({"baseUri": "https://evil.example"}, HostNotAllowed, "in the admin's secret, baseUri names evil.example"),
        ({"baseUri": "https://another.my.salesforce.com"}, InvalidSecret, "name different orgs"),
    ],
)
def test_what_is_wrong_with_an_admin_secret_is_said_of_it_and_nobody_asked(
    admin: Admin, members: dict[str, Any], kind: type[KeyPairError], words: str
) -> None:
    error = admin.refusal(admin.store(admin.client_credentials(**members)))

    assert type(error) is kind
    assert words in error.what
    assert error.remedy
    assert admin.billing.org.log.entries() == ()


def test_an_admin_whose_login_is_refused_is_told_of(admin: Admin) -> None:
    error = admin.refusal(admin.store(admin.client_credentials(consumerSecret="hunter2")))

    assert isinstance(error, LoginRefused)
    assert "admin's client credentials" in error.what
    assert "hunter2" not in str(error)


def test_a_new_admin_credential_is_used_at_once(admin: Admin) -> None:
    arn = admin.store(admin.client_credentials(consumerSecret="hunter2"))
    admin.refusal(arn)
    admin.aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=admin.client_credentials())

    assert admin.session(arn).access_token
