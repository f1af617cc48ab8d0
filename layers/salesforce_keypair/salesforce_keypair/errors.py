"""What can go wrong.

* KeyPairError
  x InvalidSettings          the function's environment can't be used
  x InvalidRequest           the event or request can't be used
  x InvalidSecret            the secret's document can't be used
  x SecretUnavailable        AWS Secrets Manager didn't give or take what was asked; nor did AWS Private CA, where it
                             certifies the key of a secret to be: AWS's part of the same step, and the same people's
  x HostNotAllowed           a host that isn't Salesforce's, or not over https
  x SalesforceError
    - LoginRefused           no token; `retryable` where a change that still spreads may be the reason
    - LoginThrottled         no token, and asking makes it worse
    - SalesforceUnavailable  no answer, or none that can be understood
    - InstallationRefused    the certificate can't be read from or put into the app
  x RotationError
    - NotPending             the version isn't the one this rotation is about
    - ForeignCertificate     the app holds a certificate that no version of the secret knows
    - NotSettled             the new certificate isn't honoured everywhere, and the old one is back; or, where a
                             person installs it (`retryable`), it still waits for that
    - RolledBack             this rotation was undone before; only a new one can succeed
    - UnprovedKey            nothing has logged in with the key that was to be promoted

The names are a contract: Step Functions catch them as `errorType`, alarms and the runbook are filed under them.
"""

from typing import ClassVar


class KeyPairError(Exception):
    """Base of all errors raised on purpose; its text is `what happened: what to do` and never holds a secret.

    `remedy` says what a person does next, `retryable` whether time alone may help.
    """

    code: ClassVar[str] = "KeyPairError"
    retryable: bool = False

    def __init__(self, what: str, *, remedy: str, retryable: bool | None = None) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what = what
        self.remedy = remedy
        if retryable is not None:
            self.retryable = retryable

    def __init_subclass__(cls) -> None:
        cls.code = cls.__name__


class InvalidSettings(KeyPairError):
    """An environment variable can't be used."""


class InvalidRequest(KeyPairError):
    """A rotation event or a vendor request can't be used."""


class InvalidSecret(KeyPairError):
    """The document in a secret can't be used."""


class SecretUnavailable(KeyPairError):
    """AWS Secrets Manager, or AWS Private CA on its behalf, refused a call or didn't answer it."""


class HostNotAllowed(KeyPairError):
    """A request would have gone to a host that isn't Salesforce's."""


class SalesforceError(KeyPairError):
    """Base of what Salesforce refuses or fails to do."""


class LoginRefused(SalesforceError):
    """The token endpoint said no; `retryable` is true where the refusal may be a change that still spreads."""


class LoginThrottled(SalesforceError):
    """The user's hourly logins are used up."""

    retryable = True


class SalesforceUnavailable(SalesforceError):
    """Salesforce didn't answer, or answered something that can't be understood."""

    retryable = True


class InstallationRefused(SalesforceError):
    """Salesforce doesn't let the app's certificate be read or replaced."""


class RotationError(KeyPairError):
    """Base of what stops a rotation for reasons of its own."""


class NotPending(RotationError):
    """The version of the request isn't labelled AWSPENDING, or a step came before the one that it builds on."""


class ForeignCertificate(RotationError):
    """Somebody else uses the app: replacing its certificate would lock them out."""


class NotSettled(RotationError):
    """The new certificate wasn't honoured in time, or a person is yet to upload it."""


class RolledBack(RotationError):
    """The rotation was undone; its version is kept under the label ROLLEDBACK."""


class UnprovedKey(RotationError):
    """The pending key didn't log in, so it isn't made current."""

    retryable = True
