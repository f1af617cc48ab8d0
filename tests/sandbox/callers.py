"""A caller as workloads are meant to be: with the client of the layer for callers, which keeps its token."""

import requests

from salesforce_token import SalesforceToken, TokenUnavailable


class TokenKeeper:
    """Calls the org with the client's token; the vendor is asked when the client finds it due."""

    def __init__(self, client: SalesforceToken) -> None:
        self._client = client
        self._auth = client.auth()

    def __call__(self, session: requests.Session) -> tuple[str | None, str]:
        """What went wrong, if anything, and the version of the key that the token is from."""
        try:
            token = self._client.get()
            answer = session.get(f"{token.instance_url}/services/data/v67.0/", auth=self._auth, timeout=10)
        except TokenUnavailable as error:
            return f"{error.code}: {error}", ""
        if answer.status_code != requests.codes.ok:
            return f"the org answered a vended token with HTTP {answer.status_code}", ""
        return None, token.key_version
