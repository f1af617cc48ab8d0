"""AWS's refusals in the words of whoever sits at a shell: the package words them for the functions' roles."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from salesforce_keypair import aws_refusal
from salesforce_keypair.aws_refusal import code_of
from salesforce_keypair.errors import KeyPairError

SIGN_IN = "sign this shell in to the secret's AWS account (aws sso login, AWS_PROFILE), then try again"
_LOOK = (
    "allow this shell's identity (aws sts get-caller-identity) to describe, list and read the secret, and kms:Decrypt "
    "on its key"
)
_REMEDIES = {
    "AccessDeniedException": _LOOK,
    "DecryptionFailure": _LOOK,
    "ExpiredTokenException": SIGN_IN,
    "UnrecognizedClientException": SIGN_IN,
    "InvalidSignatureException": "set this machine's clock, or sign this shell in to AWS again",
}
_NOT_SIGNED_IN = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)


def words_of(error: ClientError | BotoCoreError) -> str:
    """What AWS or its SDK said, on a line."""
    return aws_refusal.words_of(error) if isinstance(error, ClientError) else type(error).__name__


def shell_remedy(error: BaseException | None) -> str | None:
    """What whoever sits at a shell does about an error of AWS or its SDK, where that differs from a function's."""
    match error:
        case ClientError():
            return _REMEDIES.get(code_of(error))
        case NoRegionError():
            return "set AWS_REGION or AWS_DEFAULT_REGION to the secret's Region"
        case _ if isinstance(error, _NOT_SIGNED_IN):
            return SIGN_IN
        case BotoCoreError():
            return "see whether this machine reaches AWS (network, proxy, AWS_ENDPOINT_URL), then try again"
        case _:
            return None


def remedy_here(error: KeyPairError) -> str:
    """An error's remedy, as this shell needs it."""
    return shell_remedy(error.__cause__) or error.remedy
