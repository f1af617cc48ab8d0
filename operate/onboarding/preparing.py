"""From answers to a document that may be written: everything is looked at first, and a key proved by a login."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from operate.onboarding.checks import Checks
from operate.onboarding.finding import Finding, Level
from operate.onboarding.key_file import certificate_of, pem_in
from operate.onboarding.proposal import Proposal, propose
from operate.onboarding.secret import Found, full_arn
from operate.workplace import Workplace
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.keypair import Certificate, PrivateKey


@dataclass(frozen=True, slots=True)
class Import:
    """A key pair that an app holds already; without `certificate` the app must show it."""

    key: PrivateKey
    certificate: Certificate | None

    @classmethod
    def of(cls, key: PrivateKey, certificate: str | None) -> "Import":
        """Of a key and the text of a certificate's file, if there is one. Raises InvalidSecret."""
        return cls(key, None if certificate is None else certificate_of(certificate, key))


def prepare(
    place: Workplace,
    found: Found,
    answers: Mapping[str, Any],
    *,
    imported: Import | None,
    replace_foreign: bool,
    say: Callable[[Finding], None],
) -> tuple[Proposal, Checks]:
    """The document to write and what was found on the way; where anything failed, it must not be written.

    Raises InvalidSecret for answers that no look at the org can make right.
    """
    proposal = propose(found.document, _with_full_arn(place, found, answers), hosts=place.settings.hosts)
    credential = place.parse(json.dumps(proposal.after))
    if imported is not None and credential.private_key is not None:
        _refuse_another_key(credential, imported)
        imported = None
    checks = Checks(place, found.certificates, say)
    # A key that is in use stays so. One that comes in, or is to log in elsewhere, must do that first. Of two apps the
    # next rotation changes the one that no key logs in through.
    stays = imported is None and (credential.private_key is None or not proposal.changes)
    may_replace = stays or credential.standby is not None
    checks.run(
        replace(
            credential,
            private_key=credential.private_key if imported is None else imported.key,
            replace_foreign_certificate=may_replace and (replace_foreign or credential.replace_foreign_certificate),
        )
    )
    after = dict(proposal.after)
    if checks.foreign and replace_foreign:
        after["replaceForeignCertificate"] = True
    if imported is not None and not checks.failed:
        after |= _members_of(imported, checks)
    locked_out = checks.foreign and credential.standby is None
    if not checks.failed and not locked_out and "privateKey" in after:
        checks.prove(place.parse(json.dumps(after)))
    return replace(proposal, after=after), checks


def _with_full_arn(place: Workplace, found: Found, answers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answers with the ARN in place of a name: the function's role is granted secrets by ARN."""
    named = answers.get("adminSecretArn")
    if named is None:
        return answers
    arn = full_arn(place.store, named)
    if arn == found.arn:
        raise InvalidSecret(
            "the admin's secret is this very secret, whose key the change of the certificate locks out",
            remedy="name the secret of an admin of another app",
        )
    return {**answers, "adminSecretArn": arn}


def _refuse_another_key(credential: Credential, imported: Import) -> None:
    held = credential.private_key
    if held is not None and held.key_fingerprint() != imported.key.key_fingerprint():
        raise InvalidSecret(
            "the secret holds another private key already, which must not be lost",
            remedy="leave --private-key out, for rotations replace the key; or import it into a secret of its own",
        )


def _members_of(imported: Import, checks: Checks) -> Mapping[str, str]:
    """The members of a key pair; nothing, and a finding, where there is no certificate to the key."""
    shown = None if checks.installed is None else checks.installed.certificate
    certificate = imported.certificate or shown
    if certificate is None or certificate.key_fingerprint != imported.key.key_fingerprint():
        checks.found(
            Finding(
                Level.FAILED,
                "the app doesn't show the certificate to the private key",
                remedy="give it with --certificate FILE",
            )
        )
        return {}
    return {"privateKey": pem_in(imported.key), "certificate": certificate.pem}
