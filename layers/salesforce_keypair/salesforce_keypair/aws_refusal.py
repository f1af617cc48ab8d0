"""A refusal by AWS in its parts, each of which may be missing or be anything where it isn't AWS that answered."""

from botocore.exceptions import ClientError

from salesforce_keypair.redaction import foreign_words


def code_of(error: ClientError) -> str:
    """The refusal's name."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """What it says, fit to be shown."""
    return foreign_words(error.response.get("Error", {}).get("Message", ""))


def words_of(error: ClientError) -> str:
    """Name and message on a line, fit to be shown."""
    return f"{foreign_words(code_of(error))} ({message_of(error)})"


def may_pass(error: ClientError) -> bool:
    """Whether its HTTP status says that another try may go better, whatever its name."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429


def is_refusal(error: BaseException | None, *codes: str) -> bool:
    """Whether an error, or the cause of one of ours, is a refusal by AWS with one of these names."""
    return isinstance(error, ClientError) and code_of(error) in codes
