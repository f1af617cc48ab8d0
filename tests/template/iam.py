"""As much of IAM as the template uses: what a role's statements allow, and whether a request is within it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.sandbox.aws.gateway import ACCOUNT, REGION

# A name of the template, as Ref and GetAtt say it (`TokenTable.Arn`), and what it is in a stack; lists with commas.
Values = Mapping[str, str]

_PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::StackName": "stack"}
_NAMED = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")


@dataclass(frozen=True, order=True)
class Request:
    """What IAM is asked: one action on one resource, with the context that conditions look at."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource, where each condition key has one of its values."""

    action: str
    resource: str
    conditions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def covers(self, request: Request) -> bool:
        """Whether it allows that request. A key that the request lacks is no value."""
        if (self.action, self.resource) != (request.action, request.resource):
            return False
        context = dict(request.context)
        return all(context.get(key) in values for key, values in self.conditions)


def grants_of(role: str, template: Mapping[str, Any], values: Values) -> list[Grant]:
    """All that a role is allowed in a resolved template, by its own policies and by those that name it."""
    return sorted(grant for statement in statements_of(role, template) for grant in _grants_in(statement, values))


def statements_of(role: str, template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same as the template writes it."""
    resources = template["Resources"]
    own = resources[role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in own["Policies"]]
    documents += [
        resources[managed["Ref"]]["Properties"]["PolicyDocument"] for managed in own.get("ManagedPolicyArns", [])
    ]
    documents += [
        resource["Properties"]["PolicyDocument"]
        for resource in resources.values()
        if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in resource["Properties"]["Roles"]
    ]
    return [statement for document in documents for statement in document["Statement"]]


def listed(value: Any) -> list[Any]:
    """IAM takes one where it takes several."""
    return value if isinstance(value, list) else [value]


def filled(node: Any, values: Values) -> str:
    """The text that Ref, GetAtt or Sub make in a stack."""
    if isinstance(node, str):
        return node
    ((function, argument),) = node.items()
    known = _PSEUDO | dict(values)
    match function:
        case "Ref":
            return known[argument]
        case "Fn::GetAtt":
            return known[".".join(argument)]
        case "Fn::Sub":
            return _NAMED.sub(lambda named: known[named[1]], argument)
    raise AssertionError(f"a value by {function}: teach it here")


def _grants_in(statement: Mapping[str, Any], values: Values) -> Iterator[Grant]:
    unknown = statement.keys() - {"Effect", "Action", "Resource", "Condition"}
    condition = statement.get("Condition", {"StringEquals": {}})
    assert statement["Effect"] == "Allow", "a statement that denies: teach it here"
    assert not unknown, f"a statement with {unknown}: teach it here"
    assert condition.keys() == {"StringEquals"}, f"a condition with {condition.keys()}: teach it here"
    conditions = tuple(
        (key, tuple(_all_of(wanted, values))) for key, wanted in sorted(condition["StringEquals"].items())
    )
    for action, resource in product(listed(statement["Action"]), _all_of(statement["Resource"], values)):
        assert "*" not in action + resource, "a wildcard: teach it here"
        yield Grant(action, resource, conditions)


def _all_of(nodes: Any, values: Values) -> list[str]:
    return [text for node in listed(nodes) for text in filled(node, values).split(",")]
