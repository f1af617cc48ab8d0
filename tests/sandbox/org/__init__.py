"""An emulated Salesforce org over http on loopback: one certificate an app, declarative writes, refusals by state.

    with EmulatedOrg() as org:
        user = org.add_user("robot@example.com")
        app = org.add_external_client_app("Billing", approved=[user])
        app.install(certificate_pem)
        ...  # log in at org.url with app.consumer_key

`add_connected_app` makes an app of the older kind. Everything is controlled through the objects, nothing over HTTP.
"""

from tests.sandbox.org.apps import App, PermittedUsers, Presence
from tests.sandbox.org.certificates import Certificate, CertificateEncoding, CertificateRefusedError
from tests.sandbox.org.clock import OrgClock
from tests.sandbox.org.deployments import DeployPace
from tests.sandbox.org.exchange import Kind
from tests.sandbox.org.refusals import REFUSALS, Refusal
from tests.sandbox.org.request_log import LogEntry, LoginCount
from tests.sandbox.org.server import EmulatedOrg
from tests.sandbox.org.state import Org
from tests.sandbox.org.tls import ThrowAwayAuthority
from tests.sandbox.org.users import User

__all__ = [
    "REFUSALS",
    "App",
    "Certificate",
    "CertificateEncoding",
    "CertificateRefusedError",
    "DeployPace",
    "EmulatedOrg",
    "Kind",
    "LogEntry",
    "LoginCount",
    "Org",
    "OrgClock",
    "PermittedUsers",
    "Presence",
    "Refusal",
    "ThrowAwayAuthority",
    "User",
]
