"""A person who may change apps in Salesforce's Setup, and knows of a rotation what the notices say."""

import re
from dataclasses import dataclass, field

from tests.sandbox.aws import Message
from tests.sandbox.org import App, Org
from tests.sandbox.org.spreading import Spreading

_APP = re.compile(r"^App: +(\S+) ", re.MULTILINE)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


@dataclass
class Administrator:
    """Uploads what a notice holds to the app that it names. `spreading` is how such a change of an app spreads."""

    org: Org
    spreading: Spreading | None = None
    read: list[Message] = field(default_factory=list)

    def upload(self, notice: Message) -> App:
        """Do what a notice asks for; returns the app. Raises LookupError where the notice doesn't say enough."""
        self.read.append(notice)
        named, certificate = _APP.search(notice.text), _PEM.search(notice.text)
        if named is None or certificate is None:
            raise LookupError("The notice names no app or holds no certificate")
        app = next(app for app in self.org.apps if app.name == named[1])
        app.install(certificate[0], self.spreading)
        return app
