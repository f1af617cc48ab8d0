"""`make upload`: somebody puts a certificate into the sandbox's app, as a person does in Salesforce's Setup."""

import argparse
import sys
import time
from pathlib import Path

from salesforce_keypair.keypair import KeyAlgorithm, make_key_pair
from tests.sandbox import running
from tests.sandbox.running import SandboxError

_VALIDITY_DAYS = 365


def main(arguments: list[str] | None = None) -> int:
    """Upload; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make upload ARGS=...", description=__doc__)
    parser.add_argument(
        "certificate", type=Path, nargs="?", help="its file (PEM); left out, one that no version of the secret knows"
    )
    parser.add_argument("--folder", type=Path, default=running.FOLDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        certificate = _strangers() if options.certificate is None else options.certificate.read_text(encoding="utf-8")
        app = running.find(options.folder).upload(certificate)
    except (OSError, ValueError, SandboxError) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"The app {app} holds {options.certificate or 'a certificate of somebody else'} now.")
    return 0


def _strangers() -> str:
    """A certificate whose key nobody here has."""
    pair = make_key_pair(
        KeyAlgorithm.RSA_2048, common_name="somebody else", validity_days=_VALIDITY_DAYS, now=time.time()
    )
    return pair.certificate.pem


if __name__ == "__main__":
    sys.exit(main())
