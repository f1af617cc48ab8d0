"""Each function may do what it does, and nothing else: its calls beside its role, evaluated as IAM would."""

import re
from typing import Any

import pytest

from tests.template.iam import Grant, Request, grants_of
from tests.template.roles import BY_OTHERS, Role, lines_of, roles
from tests.template.transformed import resolved
from tests.template.witnessing import MONITOR_ROLE, PARAMETERS, ROLES, ROTATION_ROLE, STACK, VENDOR_ROLE

GET = "secretsmanager:GetSecretValue"
OTHER = "arn:aws:secretsmanager:us-east-1:123456789012:secret:payroll-AbCdEf"
THROUGH_SECRETS_MANAGER = ("kms:ViaService", "secretsmanager.us-east-1.amazonaws.com")


@pytest.fixture(scope="module")
def found() -> list[Role]:
    return list(roles())


def test_each_call_of_a_function_is_allowed_by_its_role(found: list[Role]) -> None:
    assert {role.name: role.refused() for role in found if role.requests} == {name: [] for name in ROLES}


def test_nothing_is_allowed_that_the_function_does_not_do(found: list[Role]) -> None:
    assert [grant for role in found for grant in role.idle()] == []


def test_what_is_allowed_for_others_sake_is_little_and_all_of_it_is_granted(found: list[Role]) -> None:
    granted = {
        (grant.action, next((each for each in grant.conditions if each[0] == "kms:ViaService"), None))
        for role in found
        for grant in role.grants
        if not role.used(grant)
    }

    assert granted == BY_OTHERS.keys()


def test_a_call_that_is_not_allowed_and_a_grant_that_nobody_uses_are_found_and_printed() -> None:
    request, grant = Request(GET, STACK["AdminSecretArn"]), Grant(GET, STACK["Secret"])
    role = Role("SomeRole", (grant,), frozenset({request}))

    assert (role.refused(), role.idle()) == ([request], [grant])
    words = "\n".join(lines_of(role))
    assert "SomeRole: called and not allowed\n  secretsmanager:GetSecretValue" in words
    assert re.search("GetSecretValue +Secret +not called: NO REASON IS KNOWN", words)


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        # The secret of somebody else, and ours where another function rotates it.
        (ROTATION_ROLE, Request(GET, OTHER)),
        (ROTATION_ROLE, Request(GET, STACK["Secret"])),
        (ROTATION_ROLE, Request(GET, STACK["Secret"], (("secretsmanager:resource/AllowRotationLambdaArn", "other"),))),
        # A certificate that a TLS server could use.
        (
            ROTATION_ROLE,
            Request(
                "acm-pca:IssueCertificate",
                STACK["CertificateAuthorityArn"],
                (("acm-pca:TemplateArn", "arn:aws:acm-pca:::template/EndEntityCertificate/V1"),),
            ),
        ),
        # The key without Secrets Manager, and for a secret that it encrypts beside ours.
        (VENDOR_ROLE, Request("kms:Decrypt", STACK["SecretKmsKeyArn"])),
        (
            VENDOR_ROLE,
            Request(
                "kms:Decrypt",
                STACK["SecretKmsKeyArn"],
                (("kms:EncryptionContext:SecretARN", OTHER), THROUGH_SECRETS_MANAGER),
            ),
        ),
        (VENDOR_ROLE, Request(GET, STACK["AdminSecretArn"])),
        (VENDOR_ROLE, Request("secretsmanager:PutSecretValue", STACK["Secret"])),
        (MONITOR_ROLE, Request("secretsmanager:UpdateSecretVersionStage", STACK["Secret"])),
        (MONITOR_ROLE, Request("dynamodb:GetItem", STACK["TokenTable.Arn"])),
    ],
)
def test_a_stolen_role_is_refused(template: dict[str, Any], name: str, request_: Request) -> None:
    grants = grants_of(name, resolved(template, **PARAMETERS), STACK)

    assert not any(grant.covers(request_) for grant in grants)
