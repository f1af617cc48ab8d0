"""A Salesforce access token from the token vendor, for whoever calls Salesforce. Needs boto3 and nothing else.

    vendor = SalesforceToken("<TokenVendorFunctionName>")  # once, outside of the handler
    token = vendor.get()  # as often as needed: the vendor is asked once in a token's life

    session = requests.Session()
    session.auth = vendor.auth()
    session.get(f"{vendor.get().instance_url}/services/data/v67.0/limits")

What can go wrong:

* TokenUnavailable  there is no token; `code` says why
* ForeignHost       a call would have taken the token to another host than the org's
"""

from salesforce_token.asking import CLIENT_CONFIG, Token, TokenUnavailable
from salesforce_token.keeping import SalesforceToken
from salesforce_token.requests_auth import ForeignHost

__all__ = ["CLIENT_CONFIG", "ForeignHost", "SalesforceToken", "Token", "TokenUnavailable"]
