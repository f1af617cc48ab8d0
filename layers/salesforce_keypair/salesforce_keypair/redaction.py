"""Foreign words made fit to be shown: other parties' texts go into our errors, whatever they echo doesn't."""

import re

MAX_LENGTH = 300

# Tokens, assertions, consumer secrets, PEM bodies and other base64 are all long runs without a space; words and the
# codes that other parties use are not. ARNs are, and say which role lacks which permission.
_LONG_RUN = re.compile(
    r"(?P<arn>arn:aws[a-z-]*:(?:acm-pca|dynamodb|iam|kms|lambda|secretsmanager|sns|sts):[a-z0-9-]*:[0-9]*:[\w+=,.@/:*-]{1,200})"
    r"|[A-Za-z0-9+/=_.!~%-]{32,}"
)
_PEM = re.compile(r"-----BEGIN .*?(?:-----END [A-Z ]*-----|$)", re.DOTALL)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\u024f\u2010-\u2027]+")


def named(name: object, words: object, *, sent: tuple[str, ...] = ()) -> str:
    """Another party's name for what it refused, and in brackets what it said with it, if anything."""
    said = foreign_words(words, sent=sent)
    return f"{foreign_words(name, sent=sent)} ({said})" if said else foreign_words(name, sent=sent)


def foreign_words(text: object, *, sent: tuple[str, ...] = ()) -> str:
    """Another party's text on one short line, without anything that looks like a credential.

    `sent` are secrets that the other party was just given and might echo, however short they are.
    """
    words = str(text)
    for secret in sent:
        if secret:
            words = words.replace(secret, "[redacted]")
    words = _PEM.sub("[redacted]", words)
    words = _UNPRINTABLE.sub(" ", words)
    words = _LONG_RUN.sub(lambda run: run["arn"] or "[redacted]", words)
    words = " ".join(words.split())
    return words if len(words) <= MAX_LENGTH else words[: MAX_LENGTH - 1] + "…"
