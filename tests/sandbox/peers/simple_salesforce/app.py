"""What is often written in place of a token vendor: each call reads the secret and logs in with simple-salesforce."""

import json
import os
from typing import Any

import boto3
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

domain = os.environ["SALESFORCE_DOMAIN"]
client = boto3.client("secretsmanager")


class ToEmulatedOrg(HTTPAdapter):
    """Takes to the emulated org what the library sends to Salesforce's hosts, the only ones that it can be given."""

    def __init__(self, org_url: str) -> None:
        super().__init__()
        self._org_url = org_url

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send it elsewhere."""
        request.url = (request.url or "").replace(f"https://{domain}.salesforce.com", self._org_url, 1)
        return super().send(request, *args, **options)


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Log in."""
    document = json.loads(client.get_secret_value(SecretId=os.environ["SECRET_ID"])["SecretString"])
    with requests.Session() as session:
        session.mount("https://", ToEmulatedOrg(document["baseUri"]))
        salesforce = Salesforce(
            username=document["username"],
            consumer_key=document["consumerKey"],
            privatekey=document["privateKey"],
            domain=domain,
            session=session,
        )
    return {"access_token": salesforce.session_id, "instance_url": f"https://{salesforce.sf_instance}"}
