"""docs/errors.md is what the code says of its errors and of Salesforce's refusals."""

from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.salesforce.refusals import REFUSALS
from tests.documentation import ERROR_DOCS, error_docs


def all_below(kind: type[KeyPairError]) -> set[str]:
    return {kind.__name__}.union(
        *(all_below(each) for each in kind.__subclasses__() if each.__module__ == kind.__module__)
    )


def test_the_page_is_what_the_code_says() -> None:
    assert ERROR_DOCS.read_text(encoding="utf-8") == error_docs(), "docs/errors.md is out of date: run make error-docs"


def test_it_has_every_error_and_every_refusal() -> None:
    page = error_docs()

    assert {name for name in all_below(KeyPairError) if f"`{name}` |" in page} == all_below(KeyPairError)
    assert [refusal for refusal in REFUSALS if refusal.cause not in page or refusal.remedy not in page] == []
