"""`make roles`: what each role is allowed, beside what its function was seen to need."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.sandbox.aws.gateway import REGION
from tests.template.iam import Grant, Request, grants_of
from tests.template.transformed import resolved, transformed
from tests.template.witnessing import PARAMETERS, ROLES, STACK, witnessed

_THROUGH = "kms:ViaService"
_BY_DYNAMODB = (_THROUGH, (f"dynamodb.{REGION}.amazonaws.com",))
# What no call of a function can show, by the action and a condition that the grant must have.
BY_OTHERS: Mapping[tuple[str, tuple[str, tuple[str, ...]] | None], str] = {
    **dict.fromkeys(
        [("logs:CreateLogStream", None), ("logs:PutLogEvents", None)], "Lambda writes the log, with the function's role"
    ),
    **dict.fromkeys(
        [
            (f"kms:{use}", _BY_DYNAMODB)
            for use in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")
        ],
        "DynamoDB uses the table's key in the caller's name, when it chooses to",
    ),
}
_NAMES = {value: name for name, value in STACK.items()}


@dataclass(frozen=True)
class Role:
    """A role in a stack that has everything, and what its function asked for."""

    name: str
    grants: tuple[Grant, ...]
    requests: frozenset[Request]

    def refused(self) -> list[Request]:
        """What the function asked for and may not."""
        return sorted(request for request in self.requests if not any(grant.covers(request) for grant in self.grants))

    def idle(self) -> list[Grant]:
        """What the function may and never asked for, for no reason that is known."""
        return [grant for grant in self.grants if not self.used(grant) and reason_for(grant) is None]

    def used(self, grant: Grant) -> bool:
        """Whether the function asked for it."""
        return any(grant.covers(request) for request in self.requests)


def roles() -> Iterator[Role]:
    """All three."""
    template = resolved(transformed(), **PARAMETERS)
    asked = witnessed()
    for name in ROLES:
        yield Role(name, tuple(grants_of(name, template, STACK)), asked[name])


def reason_for(grant: Grant) -> str | None:
    """Why it is granted though no function asks for it."""
    for (action, condition), reason in BY_OTHERS.items():
        if grant.action == action and (condition is None or condition in grant.conditions):
            return reason
    return None


def lines_of(role: Role) -> Iterator[str]:
    """Both lists, in words."""
    yield f"{role.name}: called"
    for request in sorted(role.requests):
        yield f"  {request.action:40} {_named(request.resource, dict(request.context).get(_THROUGH))}"
    yield f"{role.name}: allowed"
    for grant in role.grants:
        note = "" if role.used(grant) else f"not called: {reason_for(grant) or 'NO REASON IS KNOWN'}"
        services = dict(grant.conditions).get(_THROUGH, (None,))
        yield f"  {grant.action:40} {_named(grant.resource, services[0]):40} {note}".rstrip()
    yield f"{role.name}: called and not allowed"
    yield from [f"  {each.action:40} {each.resource} {each.context}" for each in role.refused()] or ["  nothing"]
    yield ""


def _named(resource: str, service: str | None) -> str:
    """By its name in the template, and whose calls a key is used for."""
    through = "" if service is None else f" through {service.split('.')[0]}"
    return f"{_NAMES[resource]}{through}"


if __name__ == "__main__":
    # What the functions say of the troubles that are played isn't what was asked for.
    logging.disable()
    for each in roles():
        print("\n".join(lines_of(each)))
