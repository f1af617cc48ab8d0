"""`onboard --private-key`: an existing key pair comes along, proved by a login, and no other key is lost for it."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.integration.org_client import key_pair
from tests.operate.desk import Desk
from tests.unit.support import private_pem

PASSPHRASE = "a horse, a battery, a staple"
PAIR = key_pair("first")
TRADITIONAL = PrivateFormat.TraditionalOpenSSL


def _encrypted(form: PrivateFormat) -> str:
    return PAIR.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(PASSPHRASE.encode())).decode()


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def folder(tmp_path: Path, desk: Desk) -> Path:
    """The app holds the certificate of the pair whose files are here."""
    desk.stage.world.app.install(PAIR.pem)
    (tmp_path / "key.pem").write_text(private_pem(PAIR.key))
    (tmp_path / "certificate.pem").write_text(PAIR.pem)
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    return tmp_path


def _key(folder: Path, text: str | None = None) -> tuple[str, str]:
    if text is not None:
        (folder / "key.pem").write_text(text)
    return "--private-key", str(folder / "key.pem")


@pytest.mark.parametrize(
    "text",
    [
        private_pem(PAIR.key),
        private_pem(PAIR.key, TRADITIONAL),
        _in_base64(private_pem(PAIR.key)),
        private_pem(PAIR.key).replace("\n", "\\n"),
    ],
    ids=["PKCS#8", "PKCS#1", "base64", "spelt-out line ends"],
)
def test_a_key_in_any_form_is_imported_with_the_certificate_that_the_app_shows(
    desk: Desk, folder: Path, text: str
) -> None:
    said = desk.done(*_key(folder, text))
    assert "logs in with the key" in said
    assert "replaces the imported key" in said
    assert desk.holds(PAIR)
    assert desk.secrets_printed(PAIR) == set()
    desk.stage.rotate()


@pytest.mark.parametrize(
    "text",
    [_encrypted(PrivateFormat.PKCS8), _encrypted(TRADITIONAL), _in_base64(_encrypted(PrivateFormat.PKCS8))],
    ids=["PKCS#8", "PKCS#1", "base64"],
)
def test_an_encrypted_key_is_opened_with_a_passphrase_that_is_typed_and_never_shown(
    desk: Desk, folder: Path, text: str
) -> None:
    result = desk.onboard(*_key(folder, text), typed=f"wrong\n{PASSPHRASE}\ny\n")
    assert result.exit_code == 0, result.output
    assert "doesn't open the private key" in result.output
    assert desk.holds(PAIR)
    assert desk.secrets_printed(PAIR, words=(PASSPHRASE,)) == set()


def test_three_wrong_passphrases_end_it(desk: Desk, folder: Path) -> None:
    result = desk.onboard(*_key(folder, _encrypted(PrivateFormat.PKCS8)), typed="one\ntwo\nthree\n")
    assert result.exit_code == 1
    assert "doesn't open" in str(result.exception)


def test_a_passphrase_comes_from_a_file_too(desk: Desk, folder: Path) -> None:
    key = _key(folder, _encrypted(PrivateFormat.PKCS8))
    desk.done(*key, "--passphrase-file", str(folder / "passphrase"))
    assert desk.holds(PAIR)
    assert desk.secrets_printed(PAIR, words=(PASSPHRASE,)) == set()


def test_without_a_terminal_an_encrypted_key_needs_the_file(desk: Desk, folder: Path) -> None:
    result = desk.onboard("--yes", *_key(folder, _encrypted(PrivateFormat.PKCS8)))
    assert "--passphrase-file" in str(result.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no key at all", "neither PEM nor the base64 of PEM"),
        (private_pem(PAIR.key)[:-200] + "-----END PRIVATE KEY-----\n", "isn't a private key"),
        (
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "Salesforce takes RSA only",
        ),
    ],
    ids=["no PEM", "cut off", "elliptic curve"],
)
def test_a_file_that_holds_no_usable_key_is_refused(desk: Desk, folder: Path, text: str, said: str) -> None:
    before = desk.seen()
    result = desk.onboard("--yes", *_key(folder, text))
    assert said in str(result.exception)
    assert desk.seen() == before
    assert desk.secrets_printed(PAIR) == set()


def test_a_key_that_is_not_the_apps_is_refused_before_anything_is_written(desk: Desk, folder: Path) -> None:
    before = desk.seen()
    result = desk.onboard("--yes", *_key(folder, private_pem(key_pair("second").key)))
    assert result.exit_code == 1
    assert "the private key can't log in through this app" in result.output
    assert desk.seen() == before


def test_a_key_without_its_certificate_is_refused(desk: Desk, folder: Path) -> None:
    desk.stage.world.app.install(None)
    result = desk.onboard("--yes", *_key(folder))
    assert result.exit_code == 1
    assert "give it with --certificate FILE" in result.output


def test_a_key_that_does_not_log_in_is_refused_though_all_looks_right(desk: Desk, folder: Path) -> None:
    desk.stage.world.app.install(None)
    before = desk.seen()
    result = desk.onboard("--yes", *_key(folder), "--certificate", str(folder / "certificate.pem"))
    assert result.exit_code == 1
    assert "invalid assertion" in result.output.split("failed")[1]
    assert desk.seen() == before


def test_the_certificate_of_another_key_is_refused(desk: Desk, folder: Path) -> None:
    (folder / "certificate.pem").write_text(key_pair("second").pem)
    result = desk.onboard("--yes", *_key(folder), "--certificate", str(folder / "certificate.pem"))
    assert "isn't the one to the private key" in str(result.exception)


def test_a_secret_never_loses_its_key_to_another(desk: Desk, folder: Path) -> None:
    held = desk.stage.install_key(key_pair("second"))
    before = desk.seen()
    result = desk.run("--yes", *_key(folder))
    assert "holds another private key already" in str(result.exception)
    assert desk.seen() == before
    assert desk.holds(held)


def test_the_same_key_again_changes_nothing(desk: Desk, folder: Path) -> None:
    desk.done(*_key(folder))
    before = desk.seen()
    assert "Nothing changes" in desk.done(*_key(folder, private_pem(PAIR.key, TRADITIONAL)))
    assert desk.seen() == before


def test_without_an_admin_the_key_itself_looks_at_the_app_and_that_is_warned_of(desk: Desk, folder: Path) -> None:
    desk.stage.world.user.metadata_permission = True
    said = desk.done(*_key(folder), "--own-user", admin_secret=None)
    assert "every token of it can change the app" in said
    assert desk.holds(PAIR)
    assert "adminSecretArn" not in desk.document


def test_without_an_admin_and_without_a_key_there_is_no_first_rotation(desk: Desk) -> None:
    result = desk.onboard("--yes", "--own-user", admin_secret=None)
    assert result.exit_code == 1
    assert "name an admin's secret in adminSecretArn, or import the key pair" in result.output


def test_files_that_go_with_a_key_are_refused_without_one(desk: Desk, folder: Path) -> None:
    result = desk.onboard("--yes", "--certificate", str(folder / "certificate.pem"))
    assert result.exit_code == 2
    assert "--private-key" in result.output
